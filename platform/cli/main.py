"""The `striate` command: finds the verb's module, runs it, and turns errors into one line."""

import atexit
import importlib
import importlib.metadata
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from striate.cli.modules import module_option
from striate.cli.verbs import ALL_COMMANDS, SUMMARIES, VERBS
from striate.core.errors import PlatformError, StriateError, UnknownName, nearest
from striate.core.extension_sources import installed_offers
from striate.local import token

_LONGEST_LINE = 2000


class _Verbs(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return ALL_COMMANDS.get(cmd_name)
        module, attribute = VERBS[cmd_name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            _check_command(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, SUMMARIES[verb]) for verb in VERBS])
        if added := [offer for offer in installed_offers() if offer.kind == "commands"]:
            with formatter.section("Commands of extensions"):
                formatter.write_dl([(offer.name, f"From {offer.extension}.") for offer in added])


def _check_command(name: str) -> None:
    """Refuse a command that neither the house nor an extension has."""
    try:
        ALL_COMMANDS.find(name)
    except UnknownName:
        said = f"striate has no command {name!r}."
        raise UnknownName(said, nearest(name, ALL_COMMANDS)) from None


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(importlib.metadata.version("striate"), prog_name="striate")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@module_option
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Train convolutional networks on a Ray cluster, serve them over gRPC, run them on chips.

    Example: striate demo
    """
    ctx.obj = {"debug": debug}
    token.authorise(os.environ)
    # Read when gRPC is imported: its handlers of forks are for programs whose children call too.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a user's error is one line on standard error and its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _end)  # so that what a command started is taken down
    try:
        cli.main(args=given, prog_name="striate", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # the whole help, as it stands
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _say(_one_line(error))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        sys.exit(130)
    except StriateError as error:
        if "--debug" in given:
            raise
        _say(str(error))
        sys.exit(error.exit_code)
    except OSError as error:  # a path that no room expected to be so: too long, under a file, …
        if "--debug" in given or error.filename is None or error.strerror is None:
            raise
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "A file"
        _say(f"{place} cannot be used: {error.strerror}. Name another place, or mend this one.")
        sys.exit(PlatformError.exit_code)


def entry() -> NoReturn:
    """What the shell runs: `main`, then the end of the process without Python's teardown.

    Ray Serve and gRPC keep native threads that can crash a process whose interpreter is being
    taken apart: the work is done by then, yet the exit code would say otherwise.
    """
    code: int | str | None = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _say(text: str) -> None:
    """One line on standard error, whatever somebody put into a name that it repeats."""
    line = " ".join(text.splitlines()).encode(errors="backslashreplace").decode()
    if len(line) > _LONGEST_LINE:
        line = f"{line[: _LONGEST_LINE // 2]} … {line[-_LONGEST_LINE // 2 :]}"
    click.echo(f"striate: {line}", err=True)


def _one_line(error: click.ClickException) -> str:
    """Click's complaint, and where the command's help is."""
    message = " ".join(error.format_message().split())
    message += "" if message.endswith((".", "?")) else "."
    context = getattr(error, "ctx", None)
    return f"{message} See `{context.command_path} --help`." if context else message
