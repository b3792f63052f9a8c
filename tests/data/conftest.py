"""Shards of the digits, small enough to be many."""

from pathlib import Path

import pytest

from striate.data.corpora.digits import write_digits
from striate.data.ingest import ingest

SHARD_MB = 0.1


@pytest.fixture(scope="session")
def digits_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits in MNIST's layout."""
    source = tmp_path_factory.mktemp("digits") / "source"
    write_digits(source)
    return source


@pytest.fixture(scope="session")
def many_shards(digits_source: Path) -> Path:
    """The digits in a dozen shards for training; not to be changed."""
    target = digits_source.parent / "many"
    ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    return target
