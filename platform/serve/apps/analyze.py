"""The application `analyze`: several networks look at each photo at once, within a deadline.

It also tags photos, and answers the Open Inference Protocol for each of its models.
"""

from pydantic import Field
from ray import serve

from striate.core.registry import fetch
from striate.serve.apps.factory import LoadedModel, inference_of, load, name_model
from striate.serve.apps.replica import ReplicaArgs, application
from striate.serve.server.service import Service
from striate.serve.services.analysis import DEADLINE_S, Photos
from striate.serve.services.region_policy import RegionPolicy
from striate.serve.services.tagging import PhotoTagging

__all__ = ["AnalyzeArgs", "build", "services"]

DEPLOYMENT = "analyze"


class AnalyzeArgs(ReplicaArgs):
    """What `build` takes, beside what every application does.

    Models are URIs as `striate.core.registry.fetch` takes them, or folders of bundles.

    Attributes:
        tagger: tags every photo.
        faces: describes faces, by classes or by a vector; None leaves that part off.
        content: scores classes of content; None leaves that part off.
        thresholds: least score, by class of `content`, at which a photo is flagged.
        policy: where faces are looked at; off in the EU unless another is given.
        deadline_s: an answer leaves within this time.
        device: ``cpu`` or ``cuda``, for all of the models.
    """

    tagger: str
    faces: str | None = None
    content: str | None = None
    thresholds: dict[str, float] = Field(default_factory=dict)
    policy: RegionPolicy = RegionPolicy()
    deadline_s: float = Field(default=DEADLINE_S, gt=0)
    device: str = "cpu"


def services(args: AnalyzeArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch`, `striate.serve.apps.factory.load` and
        `Photos`.
    """
    tagger = _loaded(args.tagger, args)
    faces = _loaded(args.faces, args) if args.faces else None
    content = _loaded(args.content, args) if args.content else None
    tagging = tagger.tagger()
    photos = Photos(
        tagging,
        faces.describer() if faces else None,
        content.tagger() if content else None,
        args.thresholds,
        args.policy,
        args.limits,
        args.deadline_s,
    )
    models = [model for model in (tagger, faces, content) if model is not None]
    return [photos, PhotoTagging(tagging, args.limits), inference_of(models)]


def build(args: AnalyzeArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)


def _loaded(uri: str, args: AnalyzeArgs) -> LoadedModel:
    bundle, version = fetch(uri, args.settings)
    return load(bundle, name_model(bundle, version), args.device, None, args.limits, args.batching)
