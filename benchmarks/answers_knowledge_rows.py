"""Questions about knowledge bases, entities and wordings held out: the Factbook and WordNet.

Each network is asked by its bundle's predictor, which finds the entity itself; the baselines are
told it (`answers_knowledge_baselines`). Compared are precision at 1 and the mean F1 of sets of
answers, with no threshold on either side, since baselines always answer; what the calibrated
threshold refuses, inside the base and outside, are rows of their own. Where the Factbook's file is
neither beside the project nor where ``STRIATE_REAL_DATA`` says, the table of countries stands for
it; WordNet is the Debian package
``wordnet-base``, fetched and unpacked for the occasion, and left out where that does not work.
"""

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from answers_knowledge_baselines import WordBaselines
from answers_knowledge_calls import asked_row
from harness import Row
from untracked import train_untracked

from striate.core.bundle import Bundle
from striate.data.corpora.kb_countries import write_countries
from striate.data.ingest.ingest import ingest
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.builder import build_base
from striate.data.knowledge.calibration import expected_calibration_error
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.paths import Paths
from striate.data.knowledge.sources import build, bundled_wording
from striate.data.pipelines.base import Stored
from striate.data.shards.folder import ShardFolder
from striate.data.stream.reader import SplitReader
from striate.serve.predictors.knowledge import KnowledgeReader
from striate.serve.predictors.knowledge_answers import KnowledgeAnswers

RECIPE = "kb-factbook-mini"
FACTS, QUICK_FACTS, ASKED_MS = 100_000, 20_000, 5.0
"""Facts of the generated base, and milliseconds within which 99 of 100 questions are answered."""

OUTSIDE = (
    "Who painted the most famous picture in {}?",
    "How tall is the tallest person of {}?",
    "When was the first railway opened in {}?",
    "Who won the football championship of {} in 1998?",
    "What is the favorite dish of people in {}?",
    "How many cats live in {}?",
    "Which novelist was born in {}?",
    "What is the average salary of a teacher in {}?",
    "Who invented the telephone of {}?",
    "Which airline flies to {} from Mars?",
)
"""Questions about entities of a base that nothing in it answers."""


@dataclass(frozen=True)
class Asked:
    """One question with what was answered: P@1, F1, and the facts that it takes."""

    right: float
    f1: float
    hops: int
    given: KnowledgeAnswers


def rows(folder: Path, quick: bool) -> list[Row]:
    """Held-out questions of each base against the baselines, no answer, and how long it takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _rows(folder, quick)
    finally:
        torch.set_num_threads(threads)


def _rows(folder: Path, quick: bool) -> list[Row]:
    found: list[Row] = []
    name = build_factbook(folder / "kb", quick)
    bundle, rows_of_it = _held_out(folder, name, folder / "kb", quick)
    found += rows_of_it
    if not quick and (wordnet := fetch_wordnet(folder / "debian")) is not None:
        build("wordnet", wordnet, folder / "wordnet")
        found += _held_out(folder / "of-wordnet", "WordNet", folder / "wordnet", quick)[1]
    return [*found, *_latency(folder, bundle, quick)]


def build_factbook(target: Path, quick: bool) -> str:
    """Build the Factbook's base, or that of countries, which is smaller; which it is."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    real = Path(os.environ.get("STRIATE_REAL_DATA", beside)) / "facts" / "factbook.jsonl.gz"
    if real.is_file() and not quick:
        build("factbook", real, target)
        return "Factbook"
    write_countries(target)
    return "countries"


def fetch_wordnet(folder: Path) -> Path | None:
    """The folder of WordNet's database files; None where the package cannot be fetched."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return None
    folder.mkdir()
    try:
        command = ["apt-get", "download", "wordnet-base"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
        (package,) = folder.glob("wordnet-base_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), "out"], cwd=folder, check=True)
    except (subprocess.SubprocessError, OSError, ValueError):
        return None
    return folder / "out" / "usr" / "share" / "wordnet"


def _held_out(folder: Path, name: str, base_folder: Path, quick: bool) -> tuple[Bundle, list[Row]]:
    shards = folder / "shards"
    ingest("kb-questions", base_folder, shards, workers=1)
    base = KnowledgeBase.open(shards)
    sizes = ("data.pipeline_arguments.relations", "model.arguments.relations")
    short = ("epochs=1", "evaluate_every_epochs=99") if quick else ()
    overrides = (*(f"{size}={max(base.directed, 12)}" for size in sizes), *short)
    run = train_untracked(folder / "run", shards, RECIPE, *overrides)
    bundle = Bundle.open(run.folder.bundle)
    reader = KnowledgeReader.load(bundle)
    tests = read(shards, "test")
    tests = tests[:: max(1, len(tests) // (200 if quick else 2000))]
    asked = [ask(without_threshold(reader), sample) for sample in tests]
    baselines = WordBaselines(base, read(shards, "train"))
    found = []
    for peer in baselines.scorers:
        theirs = [judge_baseline(base, baselines, peer, sample) for sample in tests]
        for hops, kind in ((0, "all"), (1, "one fact"), (2, "two facts")):
            found += _compared(f"{name}, {kind}", peer, asked, theirs, hops, quick)
    return bundle, [*found, *_no_answer(name, reader, tests, [ask(reader, one) for one in tests])]


def _compared(
    name: str, peer: str, ours: Sequence[Asked], theirs: Sequence[Asked], hops: int, quick: bool
) -> list[Row]:
    mine = [one for one in ours if hops in (0, one.hops)]
    other = [one for one in theirs if hops in (0, one.hops)]
    at_least = None if hops or quick else 1.0
    figures = (("P@1", "right"), ("F1", "f1"))
    return [
        Row(
            f"{name} ({len(mine)}), {figure}: {peer}",
            100 * statistics.fmean(getattr(one, field) for one in mine),
            100 * max(statistics.fmean(getattr(one, field) for one in other), 1e-3),
            "%",
            at_least,
        )
        for figure, field in figures
    ]


def _no_answer(
    name: str, reader: KnowledgeReader, tests: Sequence[Stored], asked: Sequence[Asked]
) -> list[Row]:
    """As many questions outside the base as in it: who gets no answer, and how sure the rest is."""
    mentions = list(dict.fromkeys(str(sample.fields["mention"]) for sample in tests))
    outside = [
        OUTSIDE[at % len(OUTSIDE)].replace("{}", mentions[at % len(mentions)])
        for at in range(len(tests))
    ]
    given = [reader.ask(question) for question in outside]
    refused = sum(not one.answers for one in given)
    wrongly = sum(not one.given.answers for one in asked)
    answered = [one for one in asked if one.given.answers]
    # As it was fitted: as many questions that have no answer as others.
    sure = [(one.given.score, one.right > 0) for one in answered]
    sure += [(one.score, False) for one in given if one.answers]
    error = expected_calibration_error([score for score, _ in sure], [true for _, true in sure])
    right = 100 * statistics.fmean([one.right for one in answered] or [0.0])
    said, so = (100 * statistics.fmean([float(one[at]) for one in sure] or [1e-3]) for at in (0, 1))
    return [
        Row(
            f"{name}, precision of no answer ({refused} of {len(outside)} outside refused,"
            f" {wrongly} of {len(asked)} inside)",
            100 * refused / max(refused + wrongly, 1),
            50.0,
            "%",
        ),
        Row(f"{name}, answers to questions inside that are right", right, 50.0, "%"),
        Row(
            f"{name}, answers to as many questions inside as outside that are right: what is said"
            f" (calibration error {error:.3f})",
            so,
            said,
            "%",
        ),
    ]


def read(shards: Path, split: str) -> list[Stored]:
    """The rows of a split."""
    reader = SplitReader(ShardFolder.of(shards), split)
    return reader.stored(np.arange(reader.rows))


def ask(reader: KnowledgeReader, sample: Stored) -> Asked:
    """What the predictor makes of a question; where it has no answer, that counts as nothing."""
    given = reader.ask(bytes(sample.payload).decode(), most=1000)
    true = {reader.base.key(end) for end in sample.fields["ends"]}
    said = [answer.entity for answer in given.answers]
    right = float(bool(said) and said[0] in true)
    return Asked(right, set_f1(said, true), int(sample.fields["hops"]), given)


def judge_baseline(
    base: KnowledgeBase, baselines: WordBaselines, peer: str, sample: Stored
) -> Asked:
    """What a baseline makes of a question whose entity it is told."""
    paths = Paths.around(base, int(sample.fields["start"]))
    said = paths.ends_of(baselines.best(peer, str(sample.fields["asked"]), paths)).tolist()
    true = set(sample.fields["ends"])
    nothing = KnowledgeAnswers(())
    return Asked(float(said[0] in true), set_f1(said, true), int(sample.fields["hops"]), nothing)


def set_f1(said: Iterable[object], true: Iterable[object]) -> float:
    """F1 of two sets (Berant, Chou, Frostig, Liang, EMNLP 2013)."""
    said, true = set(said), set(true)
    return 2 * len(said & true) / (len(said) + len(true)) if said or true else 0.0


def without_threshold(reader: KnowledgeReader) -> KnowledgeReader:
    """The same reader, which answers however unsure it is."""
    always = reader.calibration.model_copy(update={"threshold": 0.0})
    return reader.with_calibration(always)


def _latency(folder: Path, bundle: Bundle, quick: bool) -> Iterator[Row]:
    """99 of 100 questions of a base of 100,000 facts: one after the other, and over gRPC.

    The network is that of another base: what it answers means nothing, and takes as long.
    """
    place = folder / "many"
    facts = QUICK_FACTS if quick else FACTS
    build_base("csv", many_countries(facts), place, bundled_wording("factbook"))
    base = KnowledgeBase.open(place)
    large = without_threshold(KnowledgeReader.load(bundle)).with_base(base)
    asked = [way for one in bundled_wording("factbook").relations.values() for way in one.questions]
    count = 300 if quick else 2000
    names = [base.name(one) for one in range(0, base.entities, base.entities // count)][:count]
    questions = [asked[at % len(asked)].replace("{}", name) for at, name in enumerate(names)]
    for question in questions[:20]:
        large.ask(question)
    seconds = []
    for question in questions:
        began = time.perf_counter()
        large.ask(question)
        seconds.append(time.perf_counter() - began)
    slowest = 1000 * float(np.quantile(seconds, 0.99))
    middle = 1000 * statistics.median(seconds)
    known = f"{base.manifest.facts:,}"
    name = f"ask() with {known} facts: median {middle:.1f} ms, 99 of 100 within {slowest:.1f} ms"
    yield Row(f"{name}, {ASKED_MS:.0f} ms asked", 1000 / slowest, 1000 / ASKED_MS, "1/s", 1.0)
    yield asked_row(folder, bundle, place, questions, quick)


def many_countries(facts: int) -> GatheredFacts:
    """So many facts about generated countries, with the relations of real ones."""
    gathered, draw = GatheredFacts(), np.random.default_rng(13)
    gathered.begin("generated")
    count = facts // 10
    for at in range(count):
        gathered.at(at + 1)
        name = f"{_name(at)}land"
        gathered.fact(name, "capital", f"{_name(at)} City")
        gathered.fact(name, "region", f"{_name(at % 100)} Coast")
        gathered.fact(name, "currency", f"{_name(int(draw.integers(500)))} crown")
        gathered.fact(name, "internet domain", f".{_name(at).lower()}")
        for other in draw.integers(0, count, 2).tolist():
            gathered.fact(name, "neighbor", f"{_name(other)}land")
        for language in draw.choice(900, 2, replace=False).tolist():
            gathered.fact(name, "language", f"{_name(language)}ish")
        for city in range(2):
            gathered.fact(name, "city", f"{_name(at)} {('North', 'South')[city]}ton")
    return gathered


def _name(number: int) -> str:
    """A name of three syllables for each number below 8,000, and of more for larger ones."""
    syllables: list[str] = []
    while number or len(syllables) < 3:
        number, one = divmod(number, 20)
        syllables.append("bcdfghklmn"[one // 2] + "aiou"[(one * 7 + len(syllables)) % 4])
    return "".join(syllables).title()
