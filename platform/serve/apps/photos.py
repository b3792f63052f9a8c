"""The application `photos`: tagging photos, and the same model over tensors.

`build` is importable as ``striate.serve.apps.photos:build`` in a Serve configuration or a
RayService; its arguments are the fields of `PhotosArgs`.
"""

from pathlib import Path

from ray import serve

from striate.core.registry import fetch
from striate.serve.apps.factory import inference_of, load, name_model
from striate.serve.apps.replica import ReplicaArgs, application
from striate.serve.server.service import Service
from striate.serve.services.tagging import PhotoTagging

DEPLOYMENT = "photos"


class PhotosArgs(ReplicaArgs):
    """What `build` takes, beside what every application does.

    Attributes:
        model: a model's URI as `striate.core.registry.fetch` takes it, or a bundle's folder; read
            by every replica.
        device: ``cpu``, ``cuda``, or the name of an emulated chip.
        program: folder of the model's program for that chip.
    """

    model: str
    device: str = "cpu"
    program: Path | None = None


def services(args: PhotosArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch` and `striate.serve.apps.factory.load`.
    """
    bundle, version = fetch(args.model, args.settings)
    model = name_model(bundle, version)
    loaded = load(bundle, model, args.device, args.program, args.limits, args.batching)
    return [PhotoTagging(loaded.tagger(), args.limits), inference_of([loaded])]


def build(args: PhotosArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)
