"""`striate pools`: what the cluster offers of each kind."""

import click

from striate.cli.output import json_option, print_json, print_table


@click.group()
def pools() -> None:
    """Show what the cluster offers: CPUs, GPUs, chips.

    \b
    Example: striate pools ls
    """


@pools.command("ls")
@json_option
def list_pools(as_json: bool) -> None:
    """List the pools of the cluster, read from Ray's own resources and labels.

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
    print_table("Pools", ("pool", "kind", "total", "free", "nodes", "labels"), rows)
