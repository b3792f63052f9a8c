"""Tells the edge of replicas as they come, drain and go; a module that the supervisor runs."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from striate.core.errors import StriateError
from striate.core.files import write_atomic
from striate.core.settings import Settings
from striate.serve.edge import control, runtime_api, secrets
from striate.serve.edge.app_table import AppTable, read_table
from striate.serve.edge.files import read_living

logger = logging.getLogger(__name__)

PERIOD_S = 0.4
PATIENCE_S = 2.0
RENEW_EVERY_S = 3600.0
TARGETS_FILE = "prometheus.json"
"""Where Prometheus finds the replicas' metrics: a file for its ``file_sd_configs``."""


def main(folder: Path) -> None:
    """Follow the applications of the folder's table, for as long as the process lives."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    said, renewed_s = "", -RENEW_EVERY_S
    while True:
        try:
            if time.monotonic() - renewed_s >= RENEW_EVERY_S:
                renewed_s = time.monotonic()
                secrets.renew(folder)
            update_edge(folder)
            said = ""
        except StriateError as problem:
            if str(problem) != said:
                logger.warning("%s", problem)
            said = str(problem)
            time.sleep(PATIENCE_S)
        time.sleep(PERIOD_S)


def update_edge(folder: Path) -> None:
    """Look once at who lives, tell the edge, and wake what calls wait for.

    Raises:
        PlatformError: the cluster or the edge does not answer.
    """
    table = read_table(folder)
    if not table.apps:
        return
    from striate.serve.deployment import ray_serve

    ray_serve.connect(Settings.load())
    found, metrics = find_live_replicas(table, read_living(folder))
    control.set_replicas(folder, found)
    write_targets(folder, metrics)
    _scale_up_called(folder, table, found)


def find_live_replicas(
    table: AppTable, former: dict[str, tuple[str, ...]]
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Who takes calls now.

    An application that Serve gives no answer on keeps what it had: its replicas may well live.

    Returns:
        Addresses of the replicas by Serve's name of their application, and addresses of their
        metrics by the application's own name.
    """
    from striate.serve.deployment import ray_serve

    found: dict[str, tuple[str, ...]] = {}
    metrics: dict[str, tuple[str, ...]] = {}
    for version in (version for app in table.apps for version in app.versions):
        name = version.serve_name
        try:
            places = ray_serve.list_replicas(name)
        except StriateError as problem:
            logger.info("%s", problem)
            found[name] = former.get(name, version.addresses)
        else:
            found[name] = tuple(sorted({place.address for place in places}))
            read = (place.metrics for place in places)
            metrics[version.name] = (*metrics.get(version.name, ()), *read)
    return found, metrics


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


def _scale_up_called(folder: Path, table: AppTable, found: dict[str, tuple[str, ...]]) -> None:
    from striate.serve.deployment import ray_serve

    for name, calls in runtime_api.count_queued(folder).items():
        app = table.find(name)
        if calls and app is not None and not found.get(app.serve_name):
            ray_serve.scale_from_zero(app.serve_name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
