"""The application `analyze`: several networks look at each photo at once, within a deadline.

It also tags photos, and answers the Open Inference Protocol for each of its models.
"""

from pydantic import Field
from ray import serve

from striate.core.errors import UsageError
from striate.core.numbers import Positive, Share
from striate.core.registry import fetch
from striate.serve.apps.faces import FaceArgs, load_faces
from striate.serve.apps.factory import LoadedModel, inference_of, load, name_model
from striate.serve.apps.replica import app_name, application
from striate.serve.server.service import Service
from striate.serve.services.analysis import DEADLINE_S, Photos
from striate.serve.services.analysis_faces import FacePart
from striate.serve.services.face_models import FaceModels
from striate.serve.services.tagging import PhotoTagging

__all__ = ["AnalyzeArgs", "build", "services"]

DEPLOYMENT = "analyze"


class AnalyzeArgs(FaceArgs):
    """What `build` takes, beside what every application does that knows faces.

    Models are URIs as `striate.core.registry.fetch` takes them, or folders of bundles.

    Attributes:
        tagger: tags every photo.
        faces: describes whole photos, by classes or by a vector, or with a `detector` each face;
            None leaves that part off.
        detector: finds faces, which `faces` describes: DeepFace with the codes of its descriptors.
        people: whether faces are looked up among those whom the caller has enrolled in the store.
        content: scores classes of content; None leaves that part off.
        thresholds: least score, by class of `content`, at which a photo is flagged.
        deadline_s: an answer leaves within this time.
        device: ``cpu`` or ``cuda``, for all of the models.
    """

    tagger: str
    faces: str | None = None
    detector: str | None = None
    people: bool = False
    content: str | None = None
    thresholds: dict[str, Share] = Field(default_factory=dict)
    deadline_s: Positive = DEADLINE_S
    device: str = "cpu"


def services(args: AnalyzeArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch`, `striate.serve.apps.factory.load` and
        `Photos`.
    """
    tagger = _loaded(args.tagger, args)
    faces = _loaded(args.faces, args) if args.faces and not args.detector else None
    content = _loaded(args.content, args) if args.content else None
    tagging = tagger.tagger()
    photos = Photos(
        tagging,
        faces.describer() if faces else _face_part(args),
        content.tagger() if content else None,
        args.thresholds,
        args.policy,
        args.limits,
        args.deadline_s,
        args.region,
    )
    models = [model for model in (tagger, faces, content) if model is not None]
    return [photos, PhotoTagging(tagging, args.limits), inference_of(models)]


def build(args: AnalyzeArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)


def _face_part(args: AnalyzeArgs) -> FacePart | None:
    """What finds the faces of photos; None where no detector is given.

    Raises:
        UsageError: what describes or finds them is missing.
    """
    if args.detector is None:
        if args.people:
            raise UsageError("People are looked up without a detector.", "Give a `detector`.")
        return None
    if args.faces is None:
        raise UsageError("A detector is given without a network.", "Give one as `faces`.")
    models = FaceModels(load_faces(args, args.faces, args.detector, args.device))
    opened = args.open_kept if args.people else None
    return FacePart(models, args, opened, args.limits, args.webhooks, app_name)


def _loaded(uri: str, args: AnalyzeArgs) -> LoadedModel:
    bundle, version = fetch(uri, args.settings)
    return load(bundle, name_model(bundle, version), args.device, None, args.limits, args.batching)
