"""Pictures of samples: every kind is drawn, and damage is drawn as damage."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import UnknownName, UsageError
from striate.data.corpora import CORPORA
from striate.data.corpora.base import Corpus
from striate.data.ingest.ingest import ingest
from striate.data.shards.folder import ShardFolder
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.show.contact_sheet import Cell, contact_sheet, stack
from striate.data.show.rows import describe_row, draw, rows, spread_rows

pytestmark = pytest.mark.unit

RED, BLUE = (220, 20, 30), (10, 40, 230)


def png(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


class _Scenes:
    """Six images of which one is damaged, with dense labels."""

    labels = ("sky", "grass")
    payload = PayloadColumn(kind="image")
    label = LabelColumn(kind="dense")
    fields: dict[str, FieldKind] = {"place": "string"}  # noqa: RUF012
    assets: dict[str, str] = {"readme.txt": "scenes"}  # noqa: RUF012
    source_sha256 = "0" * 64
    item_bytes = {"train": np.full(6, 100, np.int64)}  # noqa: RUF012

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        regions = np.repeat(np.array([[0], [1], [-1]], "<i2"), 40, axis=1).repeat(10, axis=0)
        for item in range(start, stop):
            payload = b"\xff\xd8\xff damaged" if item == 4 else png((RED, BLUE)[item % 2])
            yield Sample(item, payload, regions.tobytes(), f"scene{item}.png", {"place": "hill"})


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShardFolder:
    monkeypatch.setitem(CORPORA, "scenes", Corpus("scenes", lambda _: _Scenes()))
    ingest("scenes", tmp_path, tmp_path / "shards", shard_mb=2e-4)
    return ShardFolder.of(tmp_path / "shards")


def colours(image: Image.Image) -> set[tuple[int, int, int]]:
    """The colours that fill more than a few pixels."""
    found = image.convert("RGB").getcolors(1 << 24) or []
    return {colour for count, colour in found if count > 200}  # type: ignore[misc]


def test_images_and_their_regions_are_drawn(scenes: ShardFolder, tmp_path: Path) -> None:
    assert draw(scenes, "train", None, tmp_path / "a.png") == 6
    with Image.open(tmp_path / "a.png") as sheet:
        found = colours(sheet)
    assert {RED, BLUE, (0, 0, 0)} <= found  # black: unknown
    assert len(found) >= 6  # paper and two regions


def test_rows_are_described_in_words(scenes: ShardFolder) -> None:
    found = [describe_row(row, scenes.manifest) for row in rows(scenes, "train", 2, 3)]
    assert [row["row"] for row in found] == [2, 3, 4]
    assert found[0]["key"] == "scene2.png"
    assert found[0]["label"] == "1,200 pixels, 2 classes"
    assert found[0]["place"] == "hill"
    with pytest.raises(UnknownName, match="train"):
        next(rows(scenes, "trian", 0, 1))


@pytest.mark.parametrize("count", [1, 3, 6, 40])
def test_a_picture_takes_different_rows_from_all_over(many_shards: Path, count: int) -> None:
    folder = ShardFolder.of(many_shards)
    numbers = [row.number for row in spread_rows(folder, "train", count)]
    assert len(set(numbers)) == len(numbers) == count
    if count == 40:
        assert min(numbers) < 400 and max(numbers) > 1000


def test_a_picture_is_a_png(scenes: ShardFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no PNG"):
        draw(scenes, "train", None, tmp_path / "a.jpg")


def test_a_damaged_sample_leaves_an_empty_cell() -> None:
    whole = np.full((30, 40, 3), RED, np.uint8)
    sheet = contact_sheet("title", [Cell(whole, ("a",)), Cell(None, ("b",))])
    assert RED in colours(sheet)


def test_pictures_are_stacked_and_damage_is_said() -> None:
    red = Image.new("RGB", (300, 40), RED)
    sheet = stack("title", [("a", red), ("b", None), ("c", Image.new("RGB", (200, 50), BLUE))])
    assert {RED, BLUE} <= colours(sheet)
    assert sheet.width > 300
    assert sheet.height > 40 + 50


def test_an_asset_goes_along(scenes: ShardFolder) -> None:
    assert scenes.place.read("readme.txt") == b"scenes"
    assert set(scenes.manifest.assets) == {"readme.txt"}
