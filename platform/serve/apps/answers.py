"""The application `answers`: questions about a knowledge base, or about stories that are told.

`build` is importable as ``striate.serve.apps.answers:build`` in a Serve configuration or a
RayService; its arguments are the fields of `AnswersArgs`.
"""

from typing import Self

from pydantic import model_validator
from ray import serve

from striate.core.registry import fetch
from striate.serve.apps.factory import name_model
from striate.serve.apps.replica import ReplicaArgs, application
from striate.serve.predictors.asked_knowledge import KnowledgePredictor, KnowledgeRequest
from striate.serve.predictors.stories import StoryReader, StoryRequest
from striate.serve.server.servable import Servable
from striate.serve.server.service import Service
from striate.serve.services.question_answering import Knowledge, QuestionAnswering, Stories
from striate.serve.services.story_calls import StoryCalls, StorySettings
from striate.serve.stories.store import StoryStore, local_store

DEPLOYMENT = "answers"
_PROBE_STORY = StoryRequest(("Fred went to the kitchen.",), "Where is Fred?")
_PROBE_QUESTION = KnowledgeRequest("What is the capital of France?")


class AnswersArgs(ReplicaArgs, StorySettings):
    """What `build` takes, beside what every application does.

    Models are URIs as `striate.core.registry.fetch` takes them, or folders of bundles.

    Attributes:
        knowledge: answers from the knowledge base that its bundle holds; None answers no question
            without a story.
        stories: answers about stories; None answers no question about one.
        store: of stories: the path of a SQLite file on the replicas' node, or ``postgresql://…``;
            None is the local platform's own.
        device: ``cpu`` or ``cuda``, for both.
    """

    knowledge: str | None = None
    stories: str | None = None
    store: str | None = None
    device: str = "cpu"

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.knowledge is None and self.stories is None:
            raise ValueError("`knowledge`, `stories` or both name a model")
        return self

    def open_store(self) -> StoryStore:
        """Open the store of stories.

        Raises:
            StoreOutdated, StoreBusy, StoreFull, StoreDamaged: as their names say.
        """
        return StoryStore.open(self.store or local_store(self.settings.home))


def services(args: AnswersArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch`, `KnowledgeReader.load` and
            `StoryReader.load`.
    """
    calls = StoryCalls(args, args.open_store, args.limits.queued)
    return [QuestionAnswering(_knowledge(args), _stories(args), calls, args.limits)]


def build(args: AnswersArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)


def _knowledge(args: AnswersArgs) -> Knowledge | None:
    if args.knowledge is None:
        return None
    from striate.serve.predictors.knowledge import KnowledgeReader  # stories alone wait for none

    bundle, version = fetch(args.knowledge, args.settings)
    predictor = KnowledgePredictor(KnowledgeReader.load(bundle, args.device))
    model = name_model(bundle, version)
    return Servable(model, predictor, _PROBE_QUESTION, args.limits, args.batching)


def _stories(args: AnswersArgs) -> Stories | None:
    if args.stories is None:
        return None
    bundle, version = fetch(args.stories, args.settings)
    reader = StoryReader.load(bundle, args.device)
    model = name_model(bundle, version)
    return Servable(model, reader, _PROBE_STORY, args.limits, args.batching)
