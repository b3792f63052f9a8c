"""Embeddings of answers trained from their recipe: what the page shows, and what nobody can ask."""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from striate.cli.query import query
from striate.core.bundle import Bundle
from striate.core.errors import BundleError, PayloadTooLarge, RequestError
from striate.data.ingest.ingest import ingest
from striate.data.knowledge.base import KnowledgeBase
from striate.serve.apps.answers import AnswersArgs, services
from striate.serve.predictors.knowledge import KnowledgeReader
from striate.serve.predictors.knowledge_answers import KnownFact, NoAnswer
from striate.serve.server.server import ModelServer
from striate.train import plots
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "answers.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("countries")
    ingest("countries", folder / "corpus", folder / "shards", workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_HOME", str(folder / "home"))
        yield folder / "shards"


def test_a_network_answers_and_the_page_asks_it(
    shards: Path, make_run_on: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run_on(shards, "kb-factbook-mini", "epochs=3", "evaluate_every_epochs=100")
    train(run, World())
    metrics = RunOutcome.model_validate_json(run.folder.outcome.read_bytes()).metrics
    assert metrics["one_hop_precision_at_1"] >= 0.6 and metrics["average_f1"] >= 0.4
    assert {path.name for path in plots.draw_all(run)} >= {"learning_curves.png"}
    bundle = Bundle.open(run.folder.bundle)
    assert bundle.spec.task == "knowledge"
    KnowledgeBase.open(bundle.path, hashed=True)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    (code,) = (block for block in blocks if "KnowledgeReader" in block)
    shown = PAGE.split(code)[1].split("```")[2].strip("\n")
    monkeypatch.chdir(run.folder.bundle.parent)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {})
    assert said.getvalue().rstrip("\n") == shown
    reader = KnowledgeReader.load(bundle)
    answers_have_their_facts(reader)
    nothing_is_said_without_a_reason(reader)
    the_command_line_asks_the_application(bundle)


def the_command_line_asks_the_application(bundle: Bundle) -> None:
    """What the section on serving asks of a knowledge base, of the application in this process."""
    (question,) = re.findall(r'^striate query ask "(.*)"$', PAGE.split("\n## Served\n")[1], re.M)
    server = ModelServer(services(AnswersArgs(knowledge=str(bundle.path), home=bundle.path.parent)))
    try:
        said = [
            CliRunner().invoke(query, ["ask", asked, "--address", server.address])
            for asked in (question, "Who is Bilbo?")
        ]
    finally:
        server.stop(1)
    assert [one.exit_code for one in said] == [0, 0]
    assert "Tokyo" in said[0].stdout and "Japan – capital – Tokyo" in said[0].stdout
    assert said[1].stdout.startswith("No answer. The question names nothing")


def answers_have_their_facts(reader: KnowledgeReader) -> None:
    """Each answer with the facts that lead to it, in their own direction, from one or two steps."""
    found = reader.ask("What is the capital of Portugal?")
    (lisbon,) = found.answers
    assert (found.entity, found.mention, found.total) == ("Portugal", "Portugal", 1)
    assert lisbon.path == (KnownFact("Portugal", "capital", "Lisbon"),)
    assert lisbon.score == found.score >= reader.calibration.threshold
    two = reader.ask("What is the currency of the country whose capital is Quito?")
    (dollar,) = two.answers
    assert (two.entity, dollar.entity) == ("Quito", "US dollar")
    assert dollar.path == (
        KnownFact("Ecuador", "capital", "Quito"),
        KnownFact("Ecuador", "currency", "US dollar"),
    )


def nothing_is_said_without_a_reason(reader: KnowledgeReader) -> None:
    """No entity, nothing known about it, or nothing sure: each in a sentence."""
    for stranger in ("Who wrote Ulysses?", "Who is Bilbo?"):  # .is is Iceland's
        none = reader.ask(stranger)
        assert (none.answers, none.reason, none.entity) == ((), NoAnswer.NO_ENTITY, "")
    assert reader.ask("Which country has the internet domain .is?").entity == ".is"
    unknown = reader.ask("Xyzzy plugh Portugal")
    assert (unknown.reason, unknown.entity) == (NoAnswer.NOTHING_KNOWN, "Portugal")
    assert unknown.said.startswith("The base knows Portugal")
    for empty in ("", "?!", "\x00"):
        with pytest.raises(RequestError, match="A question has words"):
            reader.ask(empty)
    with pytest.raises(PayloadTooLarge, match="more than 8,192 characters"):
        reader.ask("Portugal " * 2**17)
    for odd in ("Portugal " * 900, "what " * 1000, "<b>Portugal</b> capital", "\u202eJapan\u202c?"):
        found = reader.ask(odd)
        assert bool(found.answers) != bool(found.reason)


def test_other_bundles_are_no_readers(make_short_run: Callable[..., Run]) -> None:
    run = make_short_run("lenet1-anna-digits", 1)
    train(run, World())
    with pytest.raises(BundleError, match="not for questions about a knowledge base"):
        KnowledgeReader.load(Bundle.open(run.folder.bundle))
