"""Vectors of words beside gensim's, on generated facts some of whose capitals are never told.

Both sides learn from the same lines of the same words with the same settings: dimensions, window,
negatives, subsampling, rate and passes. Analogies are answered by the same protocol: words without
capitals, 3CosAdd over the whole vocabulary, the three words given left out. Words a second are
those of the text while there is training: gensim's in its own ``train`` over all passes, ours the
median of what a run reports.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import peer_environment
import torch
from harness import Row, in_turns
from untracked import train_untracked

from striate.core.bundle import Bundle
from striate.data.corpora.facts import DEFAULT_FACTS
from striate.data.ingest.ingest import ingest
from striate.data.pipelines.words import FILE, WordArguments
from striate.data.stream.reader import SplitReader
from striate.data.transforms.text.tokenizer import UNKNOWN, Tokenizer
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tracking.metric_log import MetricLogReader, history
from striate.train.tracking.metric_names import THROUGHPUT

WANTED = 60.0
WITHIN = 2.0  # points of gensim
RATE = 0.5  # of gensim's words a second
THREADS, ROUNDS, EPOCHS, QUICK_EPOCHS = 2, 3, 8, 2
METHODS = {"skip-gram": "skip-gram-mini", "CBOW": "cbow-mini"}
HELD_OUT = "capital-of-held-out"
RATES = {"skip-gram": 0.025, "CBOW": 0.05}
Learn = Callable[[Path], dict[str, Any]]


def rows(folder: Path, quick: bool) -> list[Row]:
    """Held-out capitals, all analogies next to gensim's, and words a second."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the second core makes batches
    try:
        with gensim() as learn:
            return _rows(folder, quick, learn)
    finally:
        torch.set_num_threads(threads)


@contextmanager
def gensim() -> Iterator[Learn]:
    """The peer, in a process of its own."""
    python, variables = peer_environment.of("gensim")
    script = Path(__file__).parent / "peers" / "gensim_peer.py"
    pipe = subprocess.PIPE
    peer = subprocess.Popen(
        [str(python), str(script)], env=variables, stdin=pipe, stdout=pipe, text=True
    )
    assert peer.stdin is not None and peer.stdout is not None

    def learn(settings: Path) -> dict[str, Any]:
        assert peer.stdin is not None and peer.stdout is not None
        peer.stdin.write(f"{settings}\n")
        peer.stdin.flush()
        answer: dict[str, Any] = json.loads(peer.stdout.readline())
        return answer

    try:
        yield learn
    finally:
        peer.stdin.close()
        peer.wait()


def _rows(folder: Path, quick: bool, learn: Learn) -> list[Row]:
    shards = folder / "shards"
    ingest(
        "facts",
        folder / "corpus",
        shards,
        workers=1,
        size=DEFAULT_FACTS // 2 if quick else DEFAULT_FACTS,
    )
    epochs = QUICK_EPOCHS if quick else EPOCHS
    found: list[Row] = []
    for method, recipe in METHODS.items():
        first = train_untracked(folder / f"{method}-0", shards, recipe, f"epochs={epochs}")
        text, words = _text(folder, first)
        settings = _settings(folder, method, first, text)
        runs, theirs = [first], [learn(settings)]

        def ours(method: str = method, recipe: str = recipe, runs: list[Run] = runs) -> float:
            place = folder / f"{method}-{len(runs)}"
            runs.append(train_untracked(place, shards, recipe, f"epochs={epochs}"))
            return words_a_second(runs[-1], words)  # noqa: B023

        def peer(settings: Path = settings, theirs: list[dict[str, Any]] = theirs) -> float:
            theirs.append(learn(settings))
            return epochs * words / float(theirs[-1]["seconds"])  # noqa: B023

        if quick:
            our_rates = [words_a_second(first, words)]
            their_rates = [epochs * words / float(theirs[0]["seconds"])]
        else:
            our_rates, their_rates = in_turns([ours, peer], ROUNDS)
        found += _accuracy_rows(method, runs, theirs, quick)
        name = f"{method}, words a second on {THREADS} cores: gensim"
        asked = RATE if method == "skip-gram" and not quick else None
        found.append(Row.paired(name, our_rates, their_rates, "words/s", asked))
    return found


def words_a_second(run: Run, words: int) -> float:
    """The median of a run's reports; the text has so many words."""
    series = history(MetricLogReader(run.folder.metric_log).read())
    rate = float(np.median([value for _, value in series[THROUGHPUT]]))
    return rate * words / run.spec.train_rows


def _accuracy_rows(
    method: str, runs: list[Run], theirs: list[dict[str, Any]], quick: bool
) -> list[Row]:
    """The first run of ours: all of them come to the same; gensim's threads race, so its median."""
    outcome = RunOutcome.model_validate_json(runs[0].folder.outcome.read_bytes())
    whole = "Total accuracy"
    shares = {
        section: [100 * right / asked for right, asked in (one["right"][section] for one in theirs)]
        for section in (HELD_OUT, whole)
    }
    ours = 100 * outcome.metrics["analogy_accuracy"]
    held_out = 100 * outcome.metrics[f"analogy_accuracy_{HELD_OUT}"]
    peer = float(np.median(shares[whole]))
    beside = f"gensim {np.median(shares[HELD_OUT]):.1f}"
    return [
        Row(f"{method}, capitals of held-out countries ({beside})", held_out, WANTED,
            "%", None if quick else 1.0),
        Row(f"{method}, all analogies: gensim's {peer:.1f} less {WITHIN:g}", ours, peer - WITHIN,
            "%", None if quick else 1.0),
    ]  # fmt: skip


def _settings(folder: Path, method: str, run: Run, text: Path) -> Path:
    """What gensim is told: the recipe's settings under its own names."""
    recipe = run.spec.recipe
    words = WordArguments.model_validate(recipe.data.pipeline_arguments)
    rate = recipe.optimizer.lr / recipe.batch_size
    assert rate == RATES[method]
    arguments = {
        "vector_size": recipe.model.arguments["dim"],
        "window": words.window,
        "negative": 5,
        "sample": words.sample,
        "alpha": rate,
        "min_alpha": 0.0,
        "epochs": int(recipe.epochs),
        "sg": int(method == "skip-gram"),
        "min_count": 1,
        "workers": THREADS,
        "ns_exponent": words.power,
    }
    settings = {
        "text": str(text),
        "questions": str(folder / "corpus" / "questions-words.txt"),
        "most_frequent": words.most_frequent,
        "arguments": arguments,
    }
    path = folder / f"{method}.json"
    path.write_text(json.dumps(settings))
    return path


def _text(folder: Path, run: Run) -> tuple[Path, int]:
    """The lines that ours learns from, as words apart by blanks, and how many words."""
    tokenizer = Tokenizer(Bundle.open(run.folder.bundle).asset(FILE))
    reader = SplitReader(run.spec.shards, "train")
    lines = []
    for one in reader.stored(np.arange(reader.rows)):
        ids = tokenizer.encode(bytes(one.payload).decode())
        lines.append([tokenizer.words[number] for number in ids if number != UNKNOWN])
    path = folder / "text.txt"
    path.write_text("".join(f"{' '.join(line)}\n" for line in lines))
    return path, sum(map(len, lines))
