"""An edge in a pod: one application, whose replicas DNS knows, and no supervisor beside HAProxy.

Kubernetes itself starts, watches and ends the process; what the edge must know stands in one file.
"""

from pathlib import Path

from pydantic import Field, ValidationError

from striate.core.errors import UsageError
from striate.core.validation import describe_invalid
from striate.serve.common.service_table import service_specs
from striate.serve.edge.files import CONFIG_FILE, write_config
from striate.serve.edge.options import EdgeOptions
from striate.serve.edge.process import binary, bound_limits
from striate.serve.edge.routing import DnsReplicas, ReplicaGroup, Route

KEY = r"^[A-Za-z0-9._~+/=-]{1,256}$"


class PodOptions(EdgeOptions):
    """What an edge in a pod goes by.

    Attributes:
        host: every interface of the pod, unless another is given.
        app: the application's name, as callers send it in `striate-app`; it answers every method.
        replicas: where its replicas are.
        edge_key: what the edge proves itself with to replicas that ask for it, or None.
    """

    host: str = ""
    log_stdout: bool = True
    app: str
    replicas: DnsReplicas
    edge_key: str | None = Field(default=None, pattern=KEY)


def read_options(file: Path) -> PodOptions:
    """The options in a JSON document.

    Raises:
        UsageError: there is no such file, or it holds something else.
    """
    try:
        return PodOptions.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"The edge's options {file} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        wrong = describe_invalid(error, "the document")
        raise UsageError(f"The edge's options {file} are wrong at {wrong}.") from None


def prepare(options: PodOptions, folder: Path) -> list[str]:
    """Write HAProxy's files; returns the command that runs it in the folder.

    Raises:
        UsageError: a name cannot stand in HAProxy's configuration.
        PlatformError: HAProxy is not installed.
    """
    known = service_specs()
    route = Route(
        options.app,
        services=tuple(known),
        groups=(ReplicaGroup(dns=options.replicas),),
        declared=tuple(known.values()),
    )
    options = options.model_copy(update={"limits": bound_limits(options.limits)})
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, options, [route], options.edge_key)
    return [binary(), "-db", "-f", CONFIG_FILE]
