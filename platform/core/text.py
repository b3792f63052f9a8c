"""Text files of people: lists, transcripts, tables of labels, recipes; one way of reading them.

UTF-8 with or without a byte-order mark; lines that end in LF, CR LF or CR; lines of blanks alone
are no lines. Words are told apart by blanks or tabs: ``line.split()``.
"""

import codecs

from striate.core.errors import DataError

_WIDE = {
    codecs.BOM_UTF32_LE: "UTF-32",  # begins as UTF-16's does
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_REMEDY = "Save it as UTF-8."


def wide_encoding(content: bytes) -> str | None:
    """``UTF-16`` or ``UTF-32`` where a file begins with the mark of that encoding."""
    marks = (encoding for mark, encoding in _WIDE.items() if content.startswith(mark))
    return next(marks, None)


def decode_text(content: bytes, name: str, fallback: str | None = None) -> str:
    """The text of a file, its lines ending in LF, without a byte-order mark.

    Args:
        content: of the file.
        name: of the file, for messages.
        fallback: encoding of what is not UTF-8, where old files of the kind have another.

    Raises:
        DataError: it is not UTF-8; the message says what it is where that can be told.
    """
    if (encoding := wide_encoding(content)) is not None:
        raise DataError(f"{name} is {encoding}, not UTF-8.", _REMEDY)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if fallback is None:
            raise DataError(f"{name} is not UTF-8: {error}.", _REMEDY) from None
        text = content.decode(fallback)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """The lines of a decoded text that are not blank, without blanks around them, numbered from 1.

    A line ends where `decode_text` says, not at other characters that Unicode calls a break.
    """
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in lines if line]


def text_lines(content: bytes, name: str, fallback: str | None = None) -> list[str]:
    """The lines of a file that are not blank, without blanks around them; see `decode_text`.

    Raises:
        DataError: it is not UTF-8.
    """
    return [line for _, line in numbered_lines(decode_text(content, name, fallback))]


def last_line(said: object) -> str:
    """The last line that is not blank of what an engine says: after a trace, the reason.

    >>> last_line("Traceback:\\n  …\\nValueError: no room\\n")
    'ValueError: no room'
    """
    lines = [line.strip() for line in str(said).splitlines() if line.strip()]
    return lines[-1] if lines else ""
