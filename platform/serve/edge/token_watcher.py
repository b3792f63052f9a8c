"""Tells an edge of changes to its token file, whoever makes them; run as a module beside HAProxy.

For places where `striate token` cannot reach the edge, such as a Secret that is mounted in a pod.
"""

import logging
import sys
import time
from pathlib import Path

from striate.core.errors import StriateError
from striate.serve.edge.constants import TOKENS_FILE
from striate.serve.edge.runtime_api import set_map
from striate.serve.edge.tokens import read_tokens

logger = logging.getLogger(__name__)

PERIOD_S = 1.0


def main(folder: Path, file: Path) -> None:
    """Watch for as long as the process lives.

    Args:
        folder: where HAProxy's control socket is.
        file: the token file.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    known = b""
    while True:
        try:
            known = sync(folder, file, known)
        except (StriateError, OSError) as problem:
            logger.warning("%s", problem)
            known = b""
        time.sleep(PERIOD_S)


def sync(folder: Path, file: Path, known: bytes) -> bytes:
    """Bring the edge to the file if that differs from `known`; returns what the file holds.

    Raises:
        PlatformError: the file is damaged, or no edge runs.
        OSError: the file cannot be read.
    """
    content = file.read_bytes()
    if content != known:
        tokens = read_tokens(file)
        set_map(folder, TOKENS_FILE, {digest: token.entry() for digest, token in tokens.items()})
        logger.info("%d tokens are in force.", len(tokens))
    return content


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
