"""`striate query listen`: a recording as text."""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from striate.cli.calling import EXISTING_FILE, calling, open_client
from striate.cli.message_json import message_document
from striate.cli.output import print_json, print_line, print_note
from striate.core.errors import UsageError

PIECE_S = 0.25
"""Of a recording that is sent as it would be spoken."""


@click.command(short_help="Read recordings of speech back as text.")
@click.argument("recordings", nargs=-1, required=True, type=EXISTING_FILE)
@click.option("--stream", is_flag=True, help="Send a WAV a piece at a time; show what is heard.")
@calling
def listen(recordings: tuple[Path, ...], stream: bool, as_json: bool, **where: Any) -> None:
    """Read recordings of speech, WAV or FLAC, back as text.

    \b
    Example: striate query listen utterance.wav
    """
    documents = []
    with open_client(**where) as client:
        for path in recordings:
            if stream:
                rate, pieces = read_pieces(path)
                for answer in client.speech.recognize(pieces, rate):
                    if not answer.final:
                        print_note(f"… {answer.text}")
            else:
                answer = client.speech.recognize_file(path.read_bytes())
            if as_json:
                documents.append({"recording": str(path), **message_document(answer)})
            else:
                print_line(answer.text if len(recordings) == 1 else f"{path.name}: {answer.text}")
    if as_json:
        print_json(documents)


def read_pieces(path: Path) -> tuple[int, Iterator[bytes]]:
    """The sample rate of a WAV file of 16 bits and one channel, and its samples in pieces.

    Raises:
        UsageError: it is no such file.
    """
    try:
        with wave.open(str(path)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise UsageError(
                    f"{path} has {file.getnchannels()} channels of {8 * file.getsampwidth()} bits;"
                    " a stream takes one of 16.",
                    "Send the file without --stream.",
                )
            rate, content = file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise UsageError(
            f"{path} is no WAV file that can be streamed: {error}.",
            "Send the file without --stream.",
        ) from None
    size = 2 * max(1, int(rate * PIECE_S))
    return rate, (content[start : start + size] for start in range(0, len(content), size))
