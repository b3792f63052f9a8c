"""Prometheus finds every replica's metrics in a file that is written only when it changes."""

import json
from pathlib import Path

import pytest

from striate.serve.deployment.replica_watcher import TARGETS_FILE, write_targets

pytestmark = pytest.mark.unit


def test_replicas_are_listed_by_application(tmp_path: Path) -> None:
    write_targets(tmp_path, {"photos": ("10.0.0.1:1", "10.0.0.2:1"), "asleep": ()})
    assert json.loads((tmp_path / TARGETS_FILE).read_text()) == [
        {"targets": ["10.0.0.1:1", "10.0.0.2:1"], "labels": {"striate_app": "photos"}}
    ]


def test_the_file_is_left_alone_while_nothing_changes(tmp_path: Path) -> None:
    write_targets(tmp_path, {"photos": ("10.0.0.1:1",)})
    before = (tmp_path / TARGETS_FILE).stat()
    write_targets(tmp_path, {"photos": ("10.0.0.1:1",)})
    assert (tmp_path / TARGETS_FILE).stat().st_ino == before.st_ino
    write_targets(tmp_path, {})
    assert json.loads((tmp_path / TARGETS_FILE).read_text()) == []
