"""Files that a system or an editor left in a folder, and that no one means by it."""

_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir"})


def is_hidden(path: str) -> bool:
    """Whether a file or a folder on the way to it is a hidden or a system one.

    Hidden ones begin with a dot (``._photo.jpg``, ``.DS_Store``); systems add ``__MACOSX``,
    ``Thumbs.db``, ``desktop.ini``, ``$RECYCLE.BIN`` and ``@eaDir``, in capitals or not.

    Args:
        path: relative to the corpus, ``/`` between its parts.
    """
    return any(part.startswith(".") or part.lower() in _NAMES for part in path.split("/"))
