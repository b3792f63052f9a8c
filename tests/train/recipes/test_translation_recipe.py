"""Sentences learnt by heart are translated by the bundle, as the page shows it."""

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from striate.cli.query import query
from striate.core.bundle import Bundle
from striate.data.corpora.phrases import phrases
from striate.data.ingest.ingest import ingest
from striate.serve.apps.language import LanguageArgs, services
from striate.serve.predictors.translation import Translator
from striate.serve.server.server import ModelServer
from striate.train import plots
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.translation.bleu import bleu_of, translate_split

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Translation")[1].split("\n## ")[0]
SHOWN = {
    "The small girl sees the red house every day.":
        "Chaque jour, la petite fille voit la maison rouge.",
    "Your dogs do not want two red apples in winter.":
        "En hiver, tes chiens ne veulent pas deux pommes rouges.",
}  # fmt: skip
BY_HEART = ("batch_size=7", "epochs=100", "data.test_split=train", "evaluate_every_epochs=100")


@pytest.fixture
def run(make_run_on: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The sentences of the page, and a dozen more, learnt by heart."""
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    pairs = [*SHOWN.items(), *phrases(12)]
    lines = ["en\tfr", *map("\t".join, pairs)]
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "train.tsv").write_text("\n".join(lines), encoding="utf-8")
    ingest("parallel", tmp_path / "corpus", tmp_path / "shards", workers=1)
    made = make_run_on(tmp_path / "shards", "translate-phrases-mini", *BY_HEART)
    train(made, World())
    return made


def test_what_was_learnt_by_heart_is_translated_and_the_page_shows_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert outcome.metrics["token_accuracy"] > 0.98
    bundle = Bundle.open(run.folder.bundle)
    assert bundle.spec.task == "translation"
    assert {"source.tokenizer.json", "target.tokenizer.json"} <= set(bundle.files)
    found = translate_split(bundle, run.spec.shards, "train", beam=4)
    assert bleu_of(found).score >= 95
    assert [one.text for one in found[: len(SHOWN)]] == list(SHOWN.values())
    worst = {path.name for path in plots.draw_all(run)}
    assert {"learning_curves.png"} <= worst
    first, second = re.findall(r"```python\n(.*?)```", SECTION, re.S)
    monkeypatch.chdir(run.folder.bundle.parent)
    (run.folder.bundle.parent / "shards").symlink_to(run.spec.shards)
    said, names = io.StringIO(), dict[str, object]()
    with contextlib.redirect_stdout(said):
        exec(first, names)
    shown = SECTION.split(first)[1].split("```")[2].strip("\n").split("\n")
    assert said.getvalue().rstrip("\n").split("\n") == shown
    with contextlib.redirect_stdout(said):
        exec(second.replace('"test"', '"train"'), names)
    assert "Bleu(score=" in said.getvalue()
    _ask_served(run.folder.bundle)


def _ask_served(bundle: Path) -> None:
    """What the section on serving asks and prints of translations, of the application here."""
    text = PAGE.split("\n## Served\n")[1]
    (sentence,) = re.findall(r'^striate query translate "(.*)"$', text, re.M)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    code = "\n".join(line for line in code.split("\n") if "nearest" not in line)
    server = ModelServer(services(LanguageArgs(translation=str(bundle), home=bundle.parent)))
    try:
        done = CliRunner().invoke(query, ["translate", sentence, "--address", server.address])
        assert (done.exit_code, done.stdout.strip()) == (0, SHOWN[sentence])
        lines = bundle.parent / "lines.txt"
        lines.write_text("\n".join(SHOWN), encoding="utf-8")
        sent = ["translate", "--from", str(lines), "--address", server.address]
        assert CliRunner().invoke(query, sent).stdout.splitlines() == list(SHOWN.values())
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code.replace("127.0.0.1:9000", server.address), {})
        assert said.getvalue().rstrip().endswith("True")
    finally:
        server.stop(1)


def test_a_short_run_shows_its_worst_translations(make_short_run: Callable[..., Run]) -> None:
    made = make_short_run("translate-phrases-mini", 2)
    train(made, World())
    drawn = {path.name for path in plots.draw_all(made)}
    assert {"learning_curves.png", "worst_mistakes.png"} <= drawn
    (one,) = Translator.load(Bundle.open(made.folder.bundle)).translate(["The dog."], beam=1)
    assert one.score < 0
