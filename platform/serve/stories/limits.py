"""How much of stories a deployment keeps."""

from pydantic import BaseModel, ConfigDict

from striate.core.numbers import Count


class StoryLimits(BaseModel):
    """What one caller may have kept.

    Attributes:
        stories: of a tenant.
        sentences: of a story.
        together: sentences of one call.
        characters: of a sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stories: Count = 10_000
    sentences: Count = 10_000
    together: Count = 1000
    characters: Count = 1000
