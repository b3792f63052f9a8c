"""The edge of a pod: ``python -m striate.serve.edge OPTIONS FOLDER``.

Writes HAProxy's configuration, made of the options (JSON, `striate.serve.edge.pod.PodOptions`),
into the folder, and becomes HAProxy: its signals are the container's.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from striate.core.errors import StriateError
from striate.serve.edge.pod import prepare, read_options


def main(arguments: Sequence[str]) -> NoReturn:
    """Become HAProxy, or end with the exit code of what forbids it."""
    parser = argparse.ArgumentParser(prog="python -m striate.serve.edge")
    parser.add_argument("options", type=Path, help="file of the edge's options")
    parser.add_argument("folder", type=Path, help="for HAProxy's files; made when there is none")
    given = parser.parse_args(arguments)
    try:
        command = prepare(read_options(given.options), given.folder)
    except StriateError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    os.chdir(given.folder)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
