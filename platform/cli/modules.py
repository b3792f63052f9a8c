"""``--module``: modules of one's own that a command takes as extensions."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def module_option(command: _Command) -> _Command:
    """Add ``--module``, which takes effect before the command's other options are looked at."""
    return click.option(
        "--module", "modules", multiple=True, metavar="NAME", expose_value=False, is_eager=True,
        callback=_use, help="A Python module that adds to Striate; may be repeated.",
    )(command)  # fmt: skip


def _use(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> None:
    """Take the modules on, unless click only tries what it would complete."""
    del param
    if names and not ctx.resilient_parsing:
        from striate.core.extension_sources import use_modules

        use_modules(names)
