"""The application `speech`: speech as text.

`build` is importable as ``striate.serve.apps.speech:build`` in a Serve configuration or a
RayService; its arguments are the fields of `SpeechArgs`.
"""

import io
import wave

from ray import serve

from striate.core.numbers import Positive
from striate.core.registry import fetch
from striate.data.transforms.audio.load import RATE_HZ
from striate.serve.apps.factory import name_model
from striate.serve.apps.replica import ReplicaArgs, application
from striate.serve.predictors.recordings import RecordingPredictor
from striate.serve.predictors.speech import SpeechPredictor
from striate.serve.server.servable import Servable
from striate.serve.server.service import Service
from striate.serve.services.recognition import Recordings
from striate.serve.services.speech import SpeechService

DEPLOYMENT = "speech"


class SpeechArgs(ReplicaArgs):
    """What `build` takes, beside what every application does.

    Attributes:
        model: a model's URI as `striate.core.registry.fetch` takes it, or a bundle's folder.
        longest_s: seconds of sound of an utterance.
        device: ``cpu`` or ``cuda``.
    """

    model: str
    longest_s: Positive = 60.0
    device: str = "cpu"


def services(args: SpeechArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch` and `SpeechPredictor.load`.
    """
    bundle, version = fetch(args.model, args.settings)
    predictor = RecordingPredictor(SpeechPredictor.load(bundle, args.device), args.longest_s)
    model = name_model(bundle, version)
    recordings: Recordings = Servable(model, predictor, _silence(), args.limits, args.batching)
    return [SpeechService(recordings, predictor, args.limits)]


def build(args: SpeechArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)


def _silence() -> bytes:
    """A WAV file of half a second, which the probe reads."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(bytes(RATE_HZ))
    return out.getvalue()
