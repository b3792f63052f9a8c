"""The application `sorter`: `own_model.v1.Sorting`, and the same model over tensors."""

from pydantic import Field
from ray import serve

from own_model.service import Sorting
from striate.core.registry import fetch
from striate.serve.apps.factory import inference_of, load, name_model
from striate.serve.apps.replica import AppKind, ReplicaArgs, application
from striate.serve.server.service import Service


class SorterArgs(ReplicaArgs):
    """What `build` takes, beside what every application does.

    Attributes:
        model: a model's URI, or a bundle's folder; read by every replica.
        device: ``cpu`` or ``cuda``.
        sure: the probability from which an answer is sure.
    """

    model: str
    device: str = "cpu"
    sure: float = Field(default=0.8, ge=0, le=1)


def services(args: SorterArgs) -> list[Service]:
    """What a replica serves."""
    bundle, version = fetch(args.model, args.settings)
    model = name_model(bundle, version)
    loaded = load(bundle, model, args.device, None, args.limits, args.batching)
    return [Sorting(loaded.tagger(), args.sure, args.limits), inference_of([loaded])]


def build(args: SorterArgs) -> serve.Application:
    """The Serve application."""
    return application("sorter", args, services)


SORTER = AppKind(SorterArgs, services, build)
