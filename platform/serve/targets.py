"""Where Prometheus finds the replicas' metrics: a file for its ``file_sd_configs``."""

import json
from collections.abc import Mapping
from pathlib import Path

from striate.core.files import write_atomic

TARGETS_FILE = "prometheus.json"


def write_targets(folder: Path, metrics: Mapping[str, tuple[str, ...]]) -> None:
    """Write the file in the edge's folder; nothing is written where nothing changed.

    Args:
        folder: the edge's folder.
        metrics: `host:port` of each replica's metrics, by application.
    """
    groups = [
        {"targets": list(addresses), "labels": {"striate_app": app}}
        for app, addresses in sorted(metrics.items())
        if addresses
    ]
    content = (json.dumps(groups, indent=1) + "\n").encode()
    file = folder / TARGETS_FILE
    if not file.is_file() or file.read_bytes() != content:
        write_atomic(file, content)
