"""A split translated, and BLEU of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from striate.core.bundle import Bundle
from striate.core.errors import BundleError
from striate.serve.predictors.translation import Translator
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.translation.bleu import TranslatedSentence, bleu_of, translate_split

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))


def test_a_split_is_translated_as_a_server_translates_it(
    make_short_run: Callable[..., Run],
) -> None:
    run = make_short_run("translate-phrases-mini", 2)
    train(run, World())
    bundle = Bundle.open(run.folder.bundle)
    found = translate_split(bundle, run.spec.shards, "test", beam=2)
    told = Path(run.spec.shards).parent / "corpus" / "test.tsv"
    pairs = [line.split("\t") for line in told.read_text(encoding="utf-8").splitlines()[1:]]
    assert [[one.source, one.reference] for one in found] == pairs
    served = Translator.load(bundle).translate([one.source for one in found], beam=2)
    assert [one.text for one in found] == [one.text for one in served]


def test_bleu_is_of_all_sentences_together() -> None:
    reference = "Le chien voit la grande maison chaque jour."
    said = [TranslatedSentence("x", reference, reference)] * 3
    best = bleu_of(said)
    assert best.score == pytest.approx(100) and "tok:13a" in best.signature
    worse = bleu_of([*said, TranslatedSentence("x", reference, "Le chien voit le bateau.")])
    assert 50 < worse.score < 95


def test_other_bundles_translate_nothing(make_short_run: Callable[..., Run]) -> None:
    run = make_short_run("lenet1-anna-digits", 1)
    train(run, World())
    with pytest.raises(BundleError, match="not for translation"):
        translate_split(Bundle.open(run.folder.bundle), run.spec.shards, "test")
