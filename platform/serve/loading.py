"""From a bundle to what a server answers with."""

import io
from functools import lru_cache

from PIL import Image

from striate.serve.limits import Batching, Limits
from striate.serve.predictors.base import Immediate, Predictor
from striate.serve.servable import Servable
from striate.serve.server import ModelServer
from striate.serve.services.tagging import PhotoTagging, Tagger
from striate.serve.tags import ModelName, Tag, TagRequest

PROBE_SIDE = 28


def tagger(
    predictor: Predictor[TagRequest, list[Tag]] | Immediate[TagRequest, list[Tag]],
    model: tuple[str, str],
    limits: Limits | None = None,
    batching: Batching | None = None,
) -> Tagger:
    """A tagging predictor made ready to be served under a model's name and version."""
    probe = TagRequest(probe_image(), top_k=1)
    return Servable(ModelName(*model), predictor, probe, bool, limits, batching)


def tagging_server(
    predictor: Predictor[TagRequest, list[Tag]] | Immediate[TagRequest, list[Tag]],
    model: tuple[str, str],
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    batching: Batching | None = None,
) -> ModelServer:
    """A server of `striate.v1.PhotoTagging` alone, in this process."""
    service = PhotoTagging(tagger(predictor, model, limits, batching), limits)
    return ModelServer([service], host, port, limits)


@lru_cache(maxsize=1)
def probe_image() -> bytes:
    """A small grey PNG, enough to walk the whole way of a request."""
    buffer = io.BytesIO()
    Image.new("L", (PROBE_SIDE, PROBE_SIDE), 128).save(buffer, "PNG")
    return buffer.getvalue()
