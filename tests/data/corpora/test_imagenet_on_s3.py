"""ImageNet's tars in a bucket: read where they are, without a copy."""

import pickle
from pathlib import Path
from typing import Protocol

import pytest

from striate.data.corpora.imagenet import open_imagenet
from striate.data.corpora.photos import write_photos
from striate.data.shards.schema import Sample
from striate.data.storage import Source, Target

pytestmark = pytest.mark.unit


class Buckets(Protocol):
    """What the fixture `s3` is used for here."""

    def bucket(self) -> str:
        """A new bucket's URI."""


def test_the_tars_are_read_from_a_bucket(
    s3: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    write_photos(tmp_path / "photos", 180, tars=True)
    bucket = s3.bucket()
    for path in (tmp_path / "photos").iterdir():
        Target.of(bucket).write(path.name, path.read_bytes())
    here, there = open_imagenet(Source.of(tmp_path / "photos")), open_imagenet(Source.of(bucket))
    assert there.source_sha256 == here.source_sha256
    sent = pickle.loads(pickle.dumps(there))  # noqa: S301
    for split, count in {"train": 144, "val": 36}.items():
        found = list(sent.read(split, 0, count))
        assert all(isinstance(item, Sample) for item in found)
        assert found == list(here.read(split, 0, count))
