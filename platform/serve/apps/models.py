"""The application `models`: any bundles over the Open Inference Protocol, more than fit at once.

Every task will do: a model is called by its name, with the tensors that its network takes. The
first models are loaded from the start, the others when they are called.
"""

from functools import partial

from pydantic import Field
from ray import serve

from striate.core.bundle import WEIGHTS_FILE, Bundle
from striate.core.numbers import Count, Positive
from striate.core.registry import fetch
from striate.serve.apps.factory import load, name_model
from striate.serve.apps.replica import ReplicaArgs, application
from striate.serve.common.limits import MEBIBYTE
from striate.serve.common.tensors import card_of
from striate.serve.common.types import ModelName
from striate.serve.server.model_cache import CachedModel, ModelCache
from striate.serve.server.models import ServedModel
from striate.serve.server.service import Service
from striate.serve.services.inference import Inference

__all__ = ["ModelsArgs", "build", "services"]

DEPLOYMENT = "models"


class ModelsArgs(ReplicaArgs):
    """What `build` takes, beside what every application does.

    Attributes:
        models: URIs as `striate.core.registry.fetch` takes them, or folders of bundles; of several
            versions of a model, the last one answers callers that name none.
        loaded: how many models a replica keeps loaded; the least recently used one goes.
        loaded_mib: how many mebibytes of weights it keeps loaded.
        device: ``cpu`` or ``cuda``, for all of the models.
    """

    models: tuple[str, ...] = Field(min_length=1)
    loaded: Count = 8
    loaded_mib: Positive = 4096
    device: str = "cpu"


def services(args: ModelsArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch` and `striate.serve.apps.factory.load`.
    """
    entries = [_entry(uri, args) for uri in args.models]
    cache = ModelCache(entries, args.loaded, int(args.loaded_mib * MEBIBYTE))
    return [Inference(cache, args.limits)]


def build(args: ModelsArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)


def _entry(uri: str, args: ModelsArgs) -> CachedModel:
    """A model that is fetched now, and loaded when it is needed."""
    bundle, version = fetch(uri, args.settings)
    model = name_model(bundle, version)
    size = bundle.files[WEIGHTS_FILE].size_bytes
    return CachedModel(model, card_of(bundle.spec), size, partial(_loaded, bundle, model, args))


def _loaded(bundle: Bundle, model: ModelName, args: ModelsArgs) -> ServedModel:
    return load(bundle, model, args.device, None, args.limits, args.batching).served()
