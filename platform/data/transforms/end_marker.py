"""JPEG files that were cut off at their very end."""

END = b"\xff\xd9"
_START, _SCAN = b"\xff\xd8\xff", b"\xff\xda"


def lacks_end_marker(content: bytes) -> bool:
    """Whether a file is a JPEG image whose last scan no end marker follows (ITU-T T.81, B.1.1.3).

    A scan's own bytes hold neither marker. A file that lacks nothing else is decoded as browsers
    do; one that lacks more, or has lost what stood before, is damaged.
    """
    if not content.startswith(_START) or content.endswith(END):
        return False
    return content.rfind(END) < content.rfind(_SCAN)
