"""CelebA's layout: splits by people, landmarks, and what is wrong with lists, said by line."""

from pathlib import Path

import pytest

from striate.core.errors import DataError
from striate.data.corpora.celeba import IDENTITIES, LANDMARKS, PARTITION, open_celeba
from striate.data.shards.schema import Sample, Skipped
from striate.data.storage import Source

pytestmark = pytest.mark.unit

FIVE = "69 109 106 113 77 142 73 152 108 154"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Three people as CelebA has them: 2 of five pictures, 7 of two, 9 of one in the test list."""
    people = [2, 2, 7, 2, 2, 7, 2, 9]
    names = [f"{number:06d}.jpg" for number in range(1, 9)]
    (tmp_path / "img_align_celeba").mkdir()
    for name in names:
        (tmp_path / "img_align_celeba" / name).write_bytes(name.encode())
    rows = [f"{name} {one}\n" for name, one in zip(names, people, strict=True)]
    (tmp_path / IDENTITIES).write_text("".join(rows))
    (tmp_path / PARTITION).write_text("".join(f"{n} {2 * (n == names[-1])}\n" for n in names))
    lines = "".join(f"{name}  {FIVE}\n" for name in names)
    (tmp_path / LANDMARKS).write_text(f"8\nlefteye_x lefteye_y …\n{lines}")
    return tmp_path


def read(folder: Path) -> dict[str, list[Sample | Skipped]]:
    corpus = open_celeba(Source.of(folder))
    return {s: list(corpus.read(s, 0, len(b))) for s, b in corpus.item_bytes.items()}


def test_the_last_pictures_of_a_trained_person_are_held_out(published: Path) -> None:
    corpus = open_celeba(Source.of(published))
    assert corpus.labels == ("2", "7", "9")
    assert dict(corpus.fields) == {"number": "int32", "six": "list<float32>"}
    keys = {split: [one.key for one in found] for split, found in read(published).items()}
    assert keys["val"] == ["000007.jpg"]
    assert keys["test"] == ["000008.jpg"]
    assert keys["train"] == [f"{number:06d}.jpg" for number in range(1, 7)]


def test_pictures_are_numbered_within_their_person_and_the_mouth_has_a_middle(
    published: Path,
) -> None:
    first, _, third, *_ = read(published)["train"]
    assert isinstance(first, Sample) and isinstance(third, Sample)
    assert (first.label, first.fields["number"]) == (0, 1)
    assert (third.label, third.fields["number"]) == (1, 1)
    assert first.payload == b"000001.jpg"
    assert first.fields["six"] == [69, 109, 106, 113, 77, 142, 73, 152, 90.5, 153, 108, 154]


def test_pictures_without_an_identity_or_landmarks_are_counted(published: Path) -> None:
    (published / "img_align_celeba" / "stray.jpg").write_bytes(b"x")
    text = (published / LANDMARKS).read_text().replace(f"000002.jpg  {FIVE}\n", "")
    (published / LANDMARKS).write_text(text)
    reasons = [one.reason for one in read(published)["train"] if isinstance(one, Skipped)]
    assert sorted(reasons) == ["no identity", "no landmarks"]


@pytest.mark.parametrize("line", ["000003.jpg", "000003.jpg seven", "000003.jpg 7 8"])
def test_a_malformed_line_is_named(published: Path, line: str) -> None:
    text = (published / IDENTITIES).read_text().replace("000003.jpg 7", line)
    (published / IDENTITIES).write_text(text)
    with pytest.raises(DataError, match=f"{IDENTITIES} line 3 is not a picture and 1 numbers"):
        open_celeba(Source.of(published))


def test_what_is_no_such_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder img_align_celeba"):
        open_celeba(Source.of(tmp_path))
    (tmp_path / "img_align_celeba").mkdir()
    with pytest.raises(DataError, match=IDENTITIES):
        open_celeba(Source.of(tmp_path))
