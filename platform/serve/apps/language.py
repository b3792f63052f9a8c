"""The application `language`: words as vectors, and sentences in another language.

`build` is importable as ``striate.serve.apps.language:build`` in a Serve configuration or a
RayService; its arguments are the fields of `LanguageArgs`.
"""

from typing import Self

from pydantic import model_validator
from ray import serve

from striate.core.registry import fetch
from striate.serve.apps.factory import name_model
from striate.serve.apps.replica import ReplicaArgs, application
from striate.serve.predictors.asked_words import FindNearest, WordPredictor
from striate.serve.predictors.embeddings import Embeddings
from striate.serve.predictors.sentence_translations import SentencePredictor, TranslateText
from striate.serve.predictors.translation import Translator
from striate.serve.server.servable import Servable
from striate.serve.server.service import Service
from striate.serve.services.language import Language, Words
from striate.serve.services.translate_stream import Sentences

DEPLOYMENT = "language"
_PROBE_TEXT = TranslateText("A.", beam=1)


class LanguageArgs(ReplicaArgs):
    """What `build` takes, beside what every application does.

    Models are URIs as `striate.core.registry.fetch` takes them, or folders of bundles.

    Attributes:
        words: tells words as vectors; None answers no question about words.
        translation: translates sentences; None translates none.
        device: ``cpu`` or ``cuda``, for both.
    """

    words: str | None = None
    translation: str | None = None
    device: str = "cpu"

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.words is None and self.translation is None:
            raise ValueError("`words`, `translation` or both name a model")
        return self


def services(args: LanguageArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch`, `Embeddings.load` and `Translator.load`.
    """
    return [Language(_words(args), _sentences(args), args.limits)]


def build(args: LanguageArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)


def _words(args: LanguageArgs) -> Words | None:
    if args.words is None:
        return None
    bundle, version = fetch(args.words, args.settings)
    embeddings = Embeddings.load(bundle, args.device)
    probe = FindNearest(embeddings.words[0], (), 1)
    model = name_model(bundle, version)
    return Servable(model, WordPredictor(embeddings), probe, args.limits, args.batching)


def _sentences(args: LanguageArgs) -> Sentences | None:
    if args.translation is None:
        return None
    bundle, version = fetch(args.translation, args.settings)
    predictor = SentencePredictor(Translator.load(bundle, args.device))
    model = name_model(bundle, version)
    return Servable(model, predictor, _PROBE_TEXT, args.limits, args.batching)
