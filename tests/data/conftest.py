"""Shards of the digits, small enough to be many."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from striate.data.corpora.digits import write_digits
from striate.data.ingest import ingest

SHARD_MB = 0.1

# A loaded machine is no failure.
settings.register_profile("data", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("data")


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


@pytest.fixture(autouse=True)
def _in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit tests ingest here, even when another test has connected this process to a cluster."""
    if request.node.get_closest_marker("unit"):
        monkeypatch.setattr("ray.is_initialized", lambda: False)
