"""Files that a system or an editor left in a folder, and that no one means by it."""

from striate.data.storage import ListedFile, Source

_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir"})


def is_hidden(path: str) -> bool:
    """Whether a file or a folder on the way to it is a hidden or a system one.

    Hidden ones begin with a dot (``._photo.jpg``, ``.DS_Store``); systems add ``__MACOSX``,
    ``Thumbs.db``, ``desktop.ini``, ``$RECYCLE.BIN`` and ``@eaDir``, in capitals or not.

    Args:
        path: relative to the corpus, ``/`` between its parts.
    """
    return any(part.startswith(".") or part.lower() in _NAMES for part in path.split("/"))


def list_visible(source: Source, folder: str = "", *, recursive: bool = False) -> list[ListedFile]:
    """The files of a folder, sorted by path, without hidden and system ones.

    Args:
        source: the place.
        folder: in it; how it is named itself does not count.
        recursive: whether those of folders inside are told as well.

    Raises:
        DataError: there is no such folder.
        PlatformError: the place does not answer or refuses.
    """
    skip = len(folder) + 1 if folder else 0
    entries = source.list(folder, recursive)
    return [entry for entry in entries if not (entry.is_dir or is_hidden(entry.path[skip:]))]
