"""Translation: the source read from its end and forward, beams, BLEU, and speed.

Generated sentences (``translate-phrases-mini``), and where there is real data beside the project,
or in the folder that ``STRIATE_REAL_DATA`` names, verses of at most 15 words from English to French
with whole books held out (``translate-verses``). What reading from the end gives is compared by the
likelihood of a true word, one over the perplexity, over several seeds; BLEU is sacreBLEU's, of the
network with the median likelihood.

How fast: `answers_translation_speed.py`. One core throughout.
"""

import os
import shutil
import statistics
from pathlib import Path

import numpy as np
import torch
from answers_translation_speed import speed_rows
from harness import Row
from untracked import train_untracked

from striate.core.bundle import Bundle
from striate.data.corpora.base import FolderOptions
from striate.data.corpora.phrases import DEFAULT_PHRASES, phrases
from striate.data.ingest.ingest import ingest
from striate.data.stream.reader import SplitReader
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.translation.bleu import bleu_of, translate_split

REAL_DATA = Path(os.environ.get("STRIATE_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
VERSES = REAL_DATA / "translation" / "verses-en-fr-de.tsv.gz"
SHORT = FolderOptions(languages="en,fr", most_words=15, group_column="book", test_share=0.1)
SEEDS = 3
BEAMS = (1, 4, 12)
BY_HEART, QUICK_BY_HEART, WANTED_BLEU = 200, 30, 95.0
_HOME = "STRIATE_HOME"


def rows(folder: Path, quick: bool) -> list[Row]:
    """Generated sentences and verses, pairs learnt by heart, and the speed of both."""
    threads, home = torch.get_num_threads(), os.environ.get(_HOME)
    torch.set_num_threads(1)
    os.environ[_HOME] = str(folder / "home")  # where vocabularies are kept
    try:
        return _rows(folder, quick)
    finally:
        torch.set_num_threads(threads)
        os.environ.pop(_HOME) if home is None else os.environ.update({_HOME: home})


def _rows(folder: Path, quick: bool) -> list[Row]:
    shards = folder / "phrases"
    ingest("phrases", folder / "source", shards, workers=1, size=400 if quick else DEFAULT_PHRASES)
    less = ("epochs=2", "model.arguments.dim=64") if quick else ()
    found, run = _both_ways(folder, "phrases", shards, "translate-phrases-mini", quick, *less)
    found += speed_rows("phrases", Bundle.open(run.folder.bundle), shards, quick)
    found.append(_by_heart(folder, quick))
    if VERSES.is_file() and not quick:
        (folder / "verses").mkdir()
        shutil.copy(VERSES, folder / "verses")
        shards = folder / "short-verses"
        ingest("parallel", folder / "verses", shards, workers=1, folder=SHORT)
        verses, run = _both_ways(folder, "verses", shards, "translate-verses", quick)
        found += [*verses, *speed_rows("verses", Bundle.open(run.folder.bundle), shards, quick)]
    return found


def _both_ways(
    folder: Path, what: str, shards: Path, recipe: str, quick: bool, *less: str
) -> tuple[list[Row], Run]:
    """Read from the end against forward; beams against the greedy choice; the median network."""
    runs: dict[bool, list[Run]] = {}
    for reverse in (True, False):
        way = f"model.arguments.reverse={str(reverse).lower()}"
        runs[reverse] = [
            train_untracked(
                folder / f"{what}-{reverse}-{seed}", shards, recipe, way, f"seed={seed}", *less
            )
            for seed in range(1 if quick else SEEDS)
        ]
    backward, forward = (
        statistics.median(map(_likelihood, runs[reverse])) for reverse in (True, False)
    )
    told = f"perplexity {1 / backward:.2f}, forward {1 / forward:.2f}, {len(runs[True])} seeds"
    asked = None if quick else 1.0
    name = f"{what}, likelihood of a word, source read from its end ({told}): forward"
    found = [Row(name, 100 * backward, 100 * forward, "%", asked)]
    run = sorted(runs[True], key=_likelihood)[len(runs[True]) // 2]
    bundle = Bundle.open(run.folder.bundle)
    scores = {beam: bleu_of(translate_split(bundle, shards, "test", beam)).score for beam in BEAMS}
    for beam in BEAMS[1:]:
        name = f"{what}, BLEU with a beam of {beam}: greedy"
        found.append(Row(name, scores[beam], scores[1], "BLEU", asked if beam == 12 else None))
    return found, run


def _by_heart(folder: Path, quick: bool) -> Row:
    """Pairs that are trained on until they are known; real ones where there are such."""
    count = QUICK_BY_HEART if quick else BY_HEART
    corpus, shards = folder / "by-heart", folder / "by-heart-shards"
    corpus.mkdir()
    pairs = list(phrases(count)) if quick or not VERSES.is_file() else _verses(folder, count)
    lines = ["en\tfr", *map("\t".join, pairs)]
    (corpus / "train.tsv").write_text("\n".join(lines), encoding="utf-8")
    ingest("parallel", corpus, shards, workers=1)
    run = train_untracked(
        *(folder / "by-heart-run", shards, "translate-phrases-mini"),
        *("batch_size=10", "epochs=60", "data.test_split=train", "evaluate_every_epochs=100"),
    )
    found = bleu_of(translate_split(Bundle.open(run.folder.bundle), shards, "train"))
    what = "generated" if quick or not VERSES.is_file() else "verses"
    name = f"BLEU of {count} pairs learnt by heart ({what}), beam of 12: {WANTED_BLEU:.0f} asked"
    return Row(name, found.score, WANTED_BLEU, "BLEU", None if quick else 1.0)


def _verses(folder: Path, count: int) -> list[tuple[str, str]]:
    """Real pairs, from all over the short verses."""
    source, shards = folder / "some-verses", folder / "some-verses-shards"
    source.mkdir()
    shutil.copy(VERSES, source)
    ingest("parallel", source, shards, workers=1, folder=SHORT)
    reader = SplitReader(str(shards), "train")
    some = reader.stored(np.linspace(0, reader.rows - 1, count).astype(np.int64))
    return [(bytes(one.payload).decode(), str(one.fields["fr"])) for one in some]


def _likelihood(run: Run) -> float:
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    return outcome.metrics["token_likelihood"]
