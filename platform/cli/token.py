"""`striate token create`, `ls` and `revoke`: who may call the gRPC edge, and what."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from striate.cli.output import (
    console,
    format_time,
    json_option,
    print_json,
    print_line,
    print_note,
    print_table,
    wide_option,
)
from striate.cli.tables import Column, Table
from striate.core.errors import UsageError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.edge.tokens import Token

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FILE = click.option(
    "--token-file",
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path, resolve_path=True),
    help="The token file; that of the local platform unless given.",
)


class _ScopesOption(click.Option):
    """Its help names the scopes that there are when it is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from striate.serve.common.service_table import token_scopes

        self.help = f"What it allows: {', '.join(token_scopes())} (everything)."
        return super().get_help_record(ctx)


@click.group()
def token() -> None:
    """Create, list and revoke the tokens that the gRPC edge asks callers for.

    \b
    Example: striate token create mobile-app --scope tag --expires 30d
    """


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    required=True,
    cls=_ScopesOption,
    metavar="SCOPE[,SCOPE…]",
)
@click.option(
    "--expires", metavar="TIME", help="When it ends, for example 12h or 30d; never unless given."
)
@click.option(
    "--rate", metavar="N/s", help="Most calls a second, for example 100/s; any number unless given."
)
@_FILE
@json_option
def create(
    name: str, scopes: str, expires: str | None, rate: str | None, file: Path | None, as_json: bool
) -> None:
    """Create a token and print it.

    It is shown this once, since only its hash is kept.

    Services know the caller by NAME: whoever gets the name of a revoked token gets at what its
    holder stored.

    \b
    Example: striate token create mobile-app --scope tag,infer --expires 30d --rate 100/s
    """
    from striate.serve.edge import tokens

    file = file or _file()
    chosen = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    secret, made = tokens.create(file, name, chosen, _lifetime_s(expires), _rate(rate))
    _tell(file)
    if as_json:
        print_json({"token": secret, **made.model_dump(mode="json"), "file": str(file)})
    else:
        console.print(secret, markup=False, soft_wrap=True)
        print_line(
            f"Callers send it as the metadata `authorization: Bearer {secret[:12]}…`, "
            "`striate query` takes it from STRIATE_TOKEN."
        )


@token.command()
@_FILE
@wide_option
@json_option
def ls(file: Path | None, as_json: bool) -> None:
    """List the tokens: what each allows and until when.

    \b
    Example: striate token ls
    """
    from striate.serve.edge.tokens import read_tokens

    found = list(read_tokens(file or _file()).values())
    if as_json:
        print_json([{**one.model_dump(mode="json"), "expired": one.expired} for one in found])
        return
    if not found:
        print_note("There are no tokens; `striate token create` makes one.")
        return
    print_table(tokens_table(found))


def tokens_table(found: "Sequence[Token]") -> Table:
    """Tokens for people."""
    from striate.serve.edge.tokens import NEVER_S

    columns = (
        Column("name", 0), Column("scopes", 1, folds=True), Column("rate", 3), Column("created", 4),
        Column("ends", 2),
    )  # fmt: skip
    rows = [
        [one.name, ", ".join(one.scopes), f"{one.rate}/s" if one.rate else None,
         format_time(one.created_unix_s),
         "never" if one.expires_unix_s == NEVER_S
         else format_time(one.expires_unix_s) + (" (over)" if one.expired else "")]
        for one in found
    ]  # fmt: skip
    return Table("Tokens", columns, rows)


@token.command()
@click.argument("name")
@_FILE
@json_option
def revoke(name: str, file: Path | None, as_json: bool) -> None:
    """Revoke a token: the edge refuses the very next call that shows it.

    What services stored for its holder stays, and goes to whoever gets a token of that name next.

    \b
    Example: striate token revoke mobile-app
    """
    from striate.serve.edge import tokens

    file = file or _file()
    gone = tokens.revoke(file, name)
    _tell(file)
    if as_json:
        print_json({"revoked": gone.name, "file": str(file)})
    else:
        print_line(f"Revoked {gone.name}.")


def _file() -> Path:
    """The token file of the local platform's edge.

    Raises:
        UsageError: the edge runs without one.
    """
    from striate.serve.edge import control
    from striate.serve.edge.app_table import edge_folder

    folder = edge_folder(Settings.load().home)
    state = control.read_state(folder)
    if state is not None and state.token_file is not None:
        return state.token_file
    if state is not None and control.is_running(folder):
        raise UsageError(
            "The gRPC edge runs without tokens.",
            "Run `striate down`, then `striate up --token-file FILE`, or add --token-file.",
        )
    raise UsageError("No token file is known.", "Name one with --token-file.")


def _tell(file: Path) -> None:
    """Let the running edge go by the file at once, if it is the edge's."""
    from striate.serve.edge import control, secrets
    from striate.serve.edge.app_table import edge_folder

    folder = edge_folder(Settings.load().home)
    state = control.read_state(folder)
    if state is not None and state.token_file == file:
        secrets.sync_tokens(folder)


def _lifetime_s(text: str | None) -> int | None:
    """Seconds of ``12h`` or ``30d``.

    Raises:
        UsageError: it is no time.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise UsageError(f"--expires {text!r} is no time.", "Write for example 12h or 30d.")
    return int(found[1]) * _UNITS_S[found[2]]


def _rate(text: str | None) -> int:
    """Calls a second of ``100/s``; 0 when there is no limit.

    Raises:
        UsageError: it is no rate.
    """
    if text is None:
        return 0
    found = re.fullmatch(r"(\d{1,6})(/s)?", text)
    if found is None or int(found[1]) == 0:
        raise UsageError(f"--rate {text!r} is no rate.", "Write calls a second, such as 100/s.")
    return int(found[1])
