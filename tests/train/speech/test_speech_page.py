"""What docs/speech.md tells to write runs, on a network that has hardly learnt anything."""

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from striate.cli.query import query
from striate.cli.query_speech import read_pieces
from striate.core.bundle import Bundle
from striate.data.stream.reader import SplitReader
from striate.data.transforms.audio.state_priors import PRIORS_FILE
from striate.models.speech.word_decoder import GRAMMAR_FILE, LEXICON_FILE
from striate.serve.apps.speech import SpeechArgs, services
from striate.serve.server.server import ModelServer
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "speech.md").read_text(encoding="utf-8")


def test_the_page_reads_a_recording_and_reads_it_while_it_comes(
    make_short_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_short_run("speech-states-mini", 2)
    train(run, World())
    bundle, folder = Bundle.open(run.folder.bundle), run.folder.bundle.parent
    for file in (LEXICON_FILE, GRAMMAR_FILE, PRIORS_FILE):
        assert f"`{file}`" in PAGE and file in bundle.files
    (sound,) = SplitReader(run.spec.shards, "test").stored(np.arange(1))
    (folder / "utterance.wav").write_bytes(bytes(sound.payload))
    (folder / "shards").symlink_to(run.spec.shards)
    monkeypatch.chdir(folder)
    whole, streamed, served, rates = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names: dict[str, object] = {}
    said, again, rate = (_printed(code, names) for code in (whole, streamed, rates))
    text, *words = said
    assert [line.split()[-1] for line in words] == text.split()
    assert all(re.fullmatch(r" *\d+\.\d\d s  \S+", line) for line in words)
    assert again[-1] == text
    for line in again[:-1]:
        settled, _, _ = line.partition("|")
        assert text.startswith(settled.strip())
    assert re.fullmatch(r"[\d.]+ % \(\d+ S, \d+ I, \d+ D, of \d+\)", rate[0])
    server = ModelServer(services(SpeechArgs(model=str(run.folder.bundle), home=folder / "home")))
    try:
        _, pieces = read_pieces(folder / "utterance.wav")
        code = served.replace("127.0.0.1:9000", server.address)
        *_, final = _printed(code, {"pieces": pieces})
        assert final == f"final {text}"
        for words in re.findall(r"^striate query (listen .*)$", PAGE, re.M):
            done = CliRunner().invoke(query, [*words.split(), "--address", server.address])
            assert done.exit_code == 0 and done.stdout.strip() == text, done.output
    finally:
        server.stop(1)


def _printed(code: str, names: dict[str, object]) -> list[str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, names)
    return said.getvalue().rstrip("\n").split("\n")
