"""Files that systems and editors leave everywhere change nothing in any corpus."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import DataError
from striate.data import corpora
from striate.data.corpora import CORPORA
from striate.data.corpora.hidden_files import is_hidden
from striate.data.shards.schema import OpenCorpus, Sample, Skipped
from striate.data.storage import Source

pytestmark = pytest.mark.unit

LEFT = (".DS_Store", "Thumbs.db", "desktop.ini")
FOLDERS = ("__MACOSX", ".ipynb_checkpoints", "@eaDir")


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def class_folders(top: Path) -> None:
    for label in ("cat", "dog"):
        for number in range(3):
            picture(top / label / f"image_{number:04}.jpg", number)


def caltech(top: Path) -> None:
    class_folders(top / "101_ObjectCategories")


def faces(top: Path) -> None:
    for number in range(3):
        picture(top / "lfw" / "Ada_Lovelace" / f"Ada_Lovelace_{number + 1:04}.jpg", number)


def stanford(top: Path) -> None:
    for number in range(6):
        picture(top / "images" / f"scene{number}.jpg", number)
        regions = top / "labels" / f"scene{number}.regions.txt"
        regions.parent.mkdir(exist_ok=True)
        regions.write_text("0 1 2 3 0 1 2 3 0 1 2 3 0 1 2 3\n" * 12)


def imagenet(top: Path) -> None:
    for wnid in ("n01440764", "n02012849"):
        for number in range(3):
            picture(top / "train" / wnid / f"{wnid}_{number}.JPEG", number)


WRITERS: dict[str, Callable[[Path], None]] = {
    "images": class_folders,
    "caltech101": caltech,
    "lfw": faces,
    "faces": faces,
    "stanford": stanford,
    "imagenet": imagenet,
}


def litter(top: Path) -> None:
    """Beside every file a resource fork, and in every folder what systems put there."""
    for path in [path for path in top.rglob("*") if path.is_file()]:
        shutil.copy(path, path.with_name(f"._{path.name}"))
        for name in FOLDERS:
            (path.parent / name).mkdir(exist_ok=True)
            shutil.copy(path, path.parent / name / path.name)
    for folder in [top, *(path for path in top.rglob("*") if path.is_dir())]:
        for name in LEFT:
            (folder / name).write_bytes(b"left by a system")
    meant = [path for path in top.iterdir() if path.is_dir() and not is_hidden(path.name)]
    for name in FOLDERS:
        for path in meant:
            shutil.copytree(path, top / name / path.name)


def samples(opened: OpenCorpus) -> dict[str, list[tuple[str, object, bytes]]]:
    return {
        split: [
            (sample.key, sample.label, sample.payload)
            for sample in opened.read(split, 0, len(sizes))
            if isinstance(sample, Sample)
        ]
        for split, sizes in opened.item_bytes.items()
    }


@pytest.mark.parametrize("name", list(WRITERS))
def test_what_systems_leave_is_no_sample_and_no_class(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    clean, littered = tmp_path / "clean", tmp_path / "littered"
    WRITERS[name](clean)
    WRITERS[name](littered)
    litter(littered)
    opened, same = (CORPORA[name].open(Source.of(place)) for place in (clean, littered))
    assert same.labels == opened.labels
    expected = samples(opened)
    assert any(expected.values())
    assert {split: rows for split, rows in samples(same).items() if rows} == {
        split: rows for split, rows in expected.items() if rows
    }


def test_a_table_sees_no_hidden_files_either(tmp_path: Path) -> None:
    clean, littered = tmp_path / "clean", tmp_path / "littered"
    for top in (clean, littered):
        for number in range(4):
            picture(top / f"{number}.png", number)
        rows = "".join(f"{number}.png,{'ab'[number % 2]}\n" for number in range(4))
        (top / "labels.csv").write_text(f"path,label\n{rows}__MACOSX/0.png,a\n")
    litter(littered)
    opened, same = (CORPORA["images"].open(Source.of(place)) for place in (clean, littered))
    assert samples(same) == samples(opened)
    left_out = [item for split in same.item_bytes for item in same.read(split, 0, 9)]
    reasons = [item.reason for item in left_out if isinstance(item, Skipped)]
    assert reasons == ["missing file"]
    for top in (clean, littered):
        (top / "labels.csv").write_text("file,label\n0.png,a\n")
        with pytest.raises(DataError, match="has no column path"):  # not: no class folders
            CORPORA["images"].open(Source.of(top))


@pytest.mark.parametrize(
    "module", sorted(Path(corpora.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_every_corpus_that_lists_files_knows_the_hidden_ones(module: Path) -> None:
    text = module.read_text()
    assert "source.list(" not in text or "is_hidden(" in text
