"""`striate query ask` and `striate stories` as a user types them, at a server in this process."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from striate.cli.query import query
from striate.cli.stories import stories
from striate.serve.common.types import ModelName
from striate.serve.predictors.stories import StoryAnswer, StoryRequest
from striate.serve.server.servable import Servable
from striate.serve.server.server import ModelServer
from striate.serve.services.question_answering import QuestionAnswering
from striate.serve.services.story_calls import StoryCalls, StorySettings
from striate.serve.stories.store import StoryStore

pytestmark = pytest.mark.unit
Type = Callable[..., Result]


class LastPlace:
    """Says that everybody is where the latest sentence ends."""

    def answers(self, requests: Sequence[StoryRequest]) -> list[list[StoryAnswer]]:
        """One answer each."""
        return [
            [
                StoryAnswer(
                    request.sentences[-1].rstrip(".").split()[-1], 1.0, 0.5, 0.75,
                    (len(request.sentences) - 1,),
                )
            ]
            for request in requests
        ]  # fmt: skip


@pytest.fixture
def typed(tmp_path: Path) -> Iterator[Type]:
    """Types a command: ``typed(stories, "ls")``."""
    probe = StoryRequest(("Fred is home.",), "Where is Fred?")
    servable: Any = Servable(ModelName("tales", "2"), LastPlace(), probe)
    calls = StoryCalls(StorySettings(), lambda: StoryStore.open(str(tmp_path / "s.db")), 100)
    server = ModelServer([QuestionAnswering(None, servable, calls)])

    def run(group: Any, *words: str, ends: int = 0) -> Result:
        done = CliRunner().invoke(group, [*words, "--address", server.address])
        assert done.exit_code == ends, (done.output, done.exception)
        return done

    yield run
    server.stop(1)


def test_a_story_is_told_asked_about_shown_and_forgotten(typed: Type, tmp_path: Path) -> None:
    more = tmp_path / "more.txt"
    more.write_text("Bilbo slept.\n\n  Bilbo went to the Shire.  \n", encoding="utf-8")
    assert "sentence 1 of ring" in typed(stories, "tell", "ring", "Bilbo took the ring.").stdout
    assert "sentences 2 to 3 of ring" in typed(stories, "tell", "ring", "--from", str(more)).stdout
    asked = typed(query, "ask", "Where is Bilbo?", "--story", "ring").stdout
    for part in ("tales version 2", "Shire", "0.75", "Bilbo went to the Shire."):
        assert part in asked
    document = json.loads(typed(query, "ask", "Where?", "--story", "ring", "--json").stdout)
    assert document["answers"][0]["memories"] == [{"number": 3, "text": "Bilbo went to the Shire."}]
    assert document["no_answer"] is None
    assert "ring" in typed(stories, "ls").stdout
    shown = json.loads(typed(stories, "show", "ring", "--json").stdout)
    assert [one["number"] for one in shown] == [1, 2, 3]
    assert "1 sentences, 0 whole" in typed(stories, "forget", "ring", "2", "--yes").stdout
    assert "Bilbo slept" not in typed(stories, "show", "ring").stdout
    assert "2 sentences, 1 whole" in typed(stories, "forget", "--everything", "--yes").stdout
    assert (
        "No answer. The story 'ring' has no sentence."
        in typed(query, "ask", "Where is Bilbo?", "--story", "ring").stdout
    )


def test_a_story_in_a_file_is_asked_about_and_not_kept(typed: Type, tmp_path: Path) -> None:
    file = tmp_path / "story.txt"
    file.write_text("Ann went to the office.\n", encoding="utf-8")
    assert "office" in typed(query, "ask", "Where is Ann?", "--about", str(file)).stdout
    assert "No story was told" in typed(stories, "ls").stderr
    assert "about no story" in typed(query, "ask", "Where is Ann?").stdout


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (stories, ("tell", "ring")),
        (stories, ("tell", "ring", "a", "--from", __file__)),
        (stories, ("forget",)),
        (stories, ("forget", "ring", "--everything", "--yes")),
        (stories, ("forget", "ring")),  # nobody is there to ask
        (stories, ("forget", "ring", "0", "--yes")),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_called(
    typed: Type, group: Any, words: Sequence[str]
) -> None:
    done = CliRunner().invoke(group, [*words, "--address", "127.0.0.1:1"])
    assert done.exit_code != 0 and "does not answer" not in str(done.exception)


def test_a_page_of_a_long_story_follows_the_other(
    typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.serve.client.answers.PAGE", 3)
    monkeypatch.setattr("striate.cli.stories.TOGETHER", 4)
    told = [f"sentence {number}" for number in range(10)]
    assert "sentences 1 to 10" in typed(stories, "tell", "long", *told).stdout
    shown = json.loads(typed(stories, "show", "long", "--json").stdout)
    assert [one["text"] for one in shown] == told
    for number in range(7):
        typed(stories, "tell", f"story {number}", "a")
    listed = json.loads(typed(stories, "ls", "--json").stdout)
    assert [one["name"] for one in listed] == ["long", *(f"story {n}" for n in range(7))]
