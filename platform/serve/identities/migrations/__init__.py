"""One file a revision of the store of faces; one that was released is never edited."""
