"""What a running edge checks callers by, changed while it runs: tokens, and its own certificate."""

from pathlib import Path

from striate.serve.edge import runtime_api
from striate.serve.edge.certificates import SERVER_FILE, TLS_FOLDER, ensure_certificates, names_of
from striate.serve.edge.constants import TOKENS_FILE
from striate.serve.edge.files import lock_edge, read_state
from striate.serve.edge.process import is_running
from striate.serve.edge.tokens import read_tokens


def sync_tokens(folder: Path) -> bool:
    """Let the running edge go by what its token file says now.

    Returns:
        Whether an edge with a token file runs in the folder.

    Raises:
        PlatformError: the file is damaged.
    """
    state = read_state(folder)
    if state is None or state.token_file is None or not is_running(folder):
        return False
    tokens = read_tokens(state.token_file)
    entries = {digest: token.entry() for digest, token in tokens.items()}
    with lock_edge(folder):
        runtime_api.set_map(folder, TOKENS_FILE, entries)
    return True


def renew(folder: Path) -> bool:
    """Renew a development certificate that nears its end, in the files and in the running edge.

    Returns:
        Whether there was one to renew.

    Raises:
        PlatformError: the edge refuses it, or its files are damaged.
    """
    state = read_state(folder)
    own = folder / TLS_FOLDER / SERVER_FILE
    if state is None or state.tls is None or state.tls.certificate != own:
        return False
    before = own.read_bytes()
    ensure_certificates(folder / TLS_FOLDER, names_of(state.host))
    if own.read_bytes() == before:
        return False
    runtime_api.set_certificate(folder, own)
    return True
