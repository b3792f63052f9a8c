"""One file a revision of the store of stories; one that was released is never edited."""
