"""`python -m striate.cli` is the `striate` command."""

from striate.cli.main import entry

entry()
