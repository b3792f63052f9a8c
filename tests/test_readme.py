"""The README's next steps run as they stand, one after the other, on a real platform."""

import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LINES = [
    shlex.split(line, comments=True)
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("striate ")
]
# What `make demo KEEP=1` left behind, in short: a registered model and the digits' shards.
BEFORE = ["train", "lenet5-digits", "epochs=2", "--workers", "0"]


@pytest.mark.e2e
def test_the_next_steps_run_one_after_the_other(platform: Any, tmp_path: Path) -> None:
    platform.run(*BEFORE)
    photo = tmp_path / "photo.png"
    photo.write_bytes(_digit(7))
    said = {}
    for words in LINES:
        if words == ["striate", "down"]:
            continue  # the session's platform serves other tests; tests/cli takes its own down
        given = [_filled(word, platform, photo) for word in words[1:]]
        if given[0] == "train":
            given.append("epochs=2")  # as much as the order of the steps needs
        said[" ".join(words[1:3])] = platform.run(*given).stdout
    platform.run("undeploy", "photos")
    assert "digits" in said["data ls"]
    assert "champion" in said["models ls"]
    assert "anna-talk" in said["chips ls"] and "anna-talk" in said["pools ls"]
    assert "optimizer.lr" in said["runs compare"]
    assert "lenet5-digits" in said["query tag"]


def _filled(word: str, platform: Any, photo: Path) -> str:
    """The word with the reader's own names put in: two run ids, a photo."""
    if word in {"RUN_A", "RUN_B"}:
        runs = json.loads(platform.run("runs", "ls", "--json").stdout)
        return str(runs[1 if word == "RUN_A" else 0]["run_id"])
    return str(photo) if word == "photo.png" else word


def _digit(value: int) -> bytes:
    """A handwritten digit as a PNG file."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = digits.images[list(digits.target).index(value)] * 15.9
    file = io.BytesIO()
    Image.fromarray(pixels.astype("uint8")).resize((28, 28)).save(file, "PNG")
    return file.getvalue()
