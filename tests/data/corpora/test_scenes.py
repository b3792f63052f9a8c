"""Generated scenes: in Stanford Background's layout, read by its reader, always the same."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import UsageError
from striate.data.corpora.scenes import write_scenes
from striate.data.corpora.stanford import CLASSES, HORIZONS, open_stanford
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import Sample
from striate.data.storage import Source

pytestmark = pytest.mark.unit

SIZE = 30


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "source"
    write_scenes(folder, SIZE)
    return folder


def test_scenes_are_written_in_the_published_layout(source: Path) -> None:
    names = set(files(source))
    assert len(names) == 2 * SIZE + 1
    assert "iccv09Data/images/9000000.jpg" in names
    assert "iccv09Data/labels/9000000.regions.txt" in names
    name, width, height, row = (source / "iccv09Data" / HORIZONS).read_text().split("\n")[0].split()
    with Image.open(source / "iccv09Data" / "images" / f"{name}.jpg") as image:
        assert image.size == (int(width), int(height))
    assert 0 < int(row) < int(height)


def test_the_reader_of_the_published_corpus_reads_them(source: Path) -> None:
    opened = open_stanford(Source.of(source))
    counts = np.zeros(len(CLASSES) + 1, np.int64)
    for split, sizes in opened.item_bytes.items():
        for one in opened.read(split, 0, len(sizes)):
            assert isinstance(one, Sample) and isinstance(one.label, bytes)
            regions = np.frombuffer(one.label, "<i2")
            with Image.open(io.BytesIO(one.payload)) as image:
                assert regions.size == image.width * image.height
            counts += np.bincount(regions + 1, minlength=len(counts))
    shares = counts / counts.sum()
    assert (shares > 0.002).all(), "every class occurs, and pixels of which nobody knows one"
    assert shares[0] < 0.05 and shares.max() < 0.5


def test_a_class_is_what_is_drawn_there(source: Path) -> None:
    """Every sky is brighter than trees are on average."""
    opened = open_stanford(Source.of(source))
    sky, tree = CLASSES.index("sky"), CLASSES.index("tree")
    bright: dict[int, list[float]] = {sky: [], tree: []}
    for one in opened.read("train", 0, 20):
        assert isinstance(one, Sample) and isinstance(one.label, bytes)
        with Image.open(io.BytesIO(one.payload)) as image:
            pixels = np.asarray(image.convert("L"), np.float64)
        regions = np.frombuffer(one.label, "<i2").reshape(pixels.shape)
        for kind, found in bright.items():
            if (regions == kind).any():
                found.append(float(pixels[regions == kind].mean()))
    assert min(bright[sky]) > np.mean(bright[tree])


def test_scenes_are_always_the_same_and_more_of_them_begin_alike(
    source: Path, tmp_path: Path
) -> None:
    write_scenes(tmp_path / "fewer", 10)
    fewer, more = files(tmp_path / "fewer"), files(source)
    assert all(more[name] == content for name, content in fewer.items() if HORIZONS not in name)


def test_scenes_become_shards(tmp_path: Path) -> None:
    report = ingest("scenes", tmp_path / "source", tmp_path / "shards", size=SIZE)
    assert report.splits == {"train": 24, "test": 6}
    assert report.skipped == {}
    assert Manifest.load(tmp_path / "shards").labels == CLASSES


def test_too_few_scenes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Give at least 5"):
        write_scenes(tmp_path / "source", 4)
    assert not (tmp_path / "source").exists()
