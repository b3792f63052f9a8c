"""`striate pools`: what the cluster offers of each kind."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from striate.cli.output import json_option, print_json, print_table, wide_option
from striate.cli.tables import Column, Table

if TYPE_CHECKING:
    from striate.accelerators.placement.pools import Pool


@click.group()
def pools() -> None:
    """Show what the cluster offers: CPUs, GPUs, chips.

    \b
    Example: striate pools ls
    """


@pools.command("ls")
@wide_option
@json_option
def list_pools(as_json: bool) -> None:
    """List the pools of the cluster.

    They are read from Ray's own resources and labels.

    \b
    Example: striate pools ls --json
    """
    from striate.accelerators.placement.pools import read_pools
    from striate.core.cluster import connection
    from striate.core.settings import Settings

    with connection(Settings.load().ray_address):
        found = read_pools()
    if as_json:
        print_json([pool.model_dump(mode="json") for pool in found])
        return
    print_table(pools_table(found))


def pools_table(found: "Sequence[Pool]") -> Table:
    """Pools for people."""
    columns = (
        Column("pool", 0), Column("kind", 3), Column("total", 2), Column("free", 1),
        Column("nodes", 4), Column("labels", 5, folds=True),
    )  # fmt: skip
    rows = [
        (
            pool.name,
            pool.kind,
            pool.total,
            pool.free,
            len(pool.nodes),
            ", ".join(f"{key}={value}" for key, value in pool.labels.items()),
        )
        for pool in found
    ]
    return Table("Pools", columns, rows)
