"""What a network of speech hears: words, and how many of them are wrong."""
