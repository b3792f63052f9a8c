"""Memory networks on the simulated world at difficulty 5, beside smaller ones and an LSTM.

Every network learns 3,000 questions of 500 stories and is asked 3,000 of 500 others, of characters
alone (``actor``) and of objects as well (``actor + object``). Compared are shares of right answers;
where several seeds were trained, their median, with the least in the row's name. The ring story has
eleven words that no network was taught, among them all its names and most of its places.

The quick form learns so little that its figures say nothing but that all of it runs: its rows ask
for nothing.
"""

import statistics
from pathlib import Path

import torch
from harness import Row
from untracked import train_untracked

from striate.core.bundle import Bundle
from striate.data.corpora.stories import DEFAULT_STORIES
from striate.data.ingest.ingest import ingest
from striate.serve.predictors.stories import StoryReader
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome

WANTED, QUICK_STORIES = 99.0, 120
CLEARLY_LOWER = 1.1
SEEDS = 5
TASKS = {"actor": "qa2_actor-5", "actor + object": "qa4_object-5"}
PEERS = {
    "k = 1 with time": ("memory-k1-mini",),
    "k = 1": ("memory-k1-mini", "model.arguments.time=false"),
    "LSTM": ("memory-lstm-mini",),
}
RING = (
    "Bilbo travelled to the cave.",
    "Gollum dropped the ring there.",
    "Bilbo took the ring.",
    "Bilbo went back to the Shire.",
    "Bilbo left the ring there.",
    "Frodo got the ring.",
    "Frodo journeyed to Mount-Doom.",
    "Frodo dropped the ring there.",
    "Sauron died.",
    "Frodo went back to the Shire.",
    "Bilbo travelled to the Grey-havens.",
    "The End.",
)
"""LeCun, "Deep learning & convolutional networks", 2015, quoting the paper."""

ASKED = {
    "Where is the ring?": "mount-doom",
    "Where is Bilbo now?": "grey-havens",
    "Where is Frodo now?": "shire",
}


def rows(folder: Path, quick: bool) -> list[Row]:
    """k = 2 with time against what is asked, against its peers, and the ring story."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _rows(folder, quick)
    finally:
        torch.set_num_threads(threads)


def _rows(folder: Path, quick: bool) -> list[Row]:
    shards = folder / "shards"
    ingest(
        "stories",
        folder / "corpus",
        shards,
        workers=1,
        size=QUICK_STORIES if quick else DEFAULT_STORIES,
    )
    short = ("epochs=2",) if quick else ()
    seeds = range(1 if quick else SEEDS)
    found, ringing = [], []
    for asked, task in TASKS.items():
        splits = (f"data.train_split={task}_train", f"data.test_split={task}_test", *short)
        runs = [
            train_untracked(
                folder / f"{task}-{seed}", shards, "memory-k2-mini", *splits, f"seed={seed}"
            )
            for seed in seeds
        ]
        accuracies = [_accuracy(run) for run in runs]
        ours = statistics.median(accuracies)
        least = f"{len(runs)} seeds, the least {min(accuracies):.1f}"
        name = f"{asked}, k = 2 with time ({least}): {WANTED:.0f} % asked"
        found.append(Row(name, ours, WANTED, "%", None if quick else 1.0))
        for peer, (recipe, *changes) in PEERS.items():
            run = train_untracked(folder / f"{task}-{peer}", shards, recipe, *splits, *changes)
            name = f"{asked}, k = 2 with time: {peer}"
            found.append(Row(name, ours, _accuracy(run), "%", None if quick else CLEARLY_LOWER))
        if asked != "actor":
            ringing = [ring_answers(run) for run in runs]
    name = f"ring story, answers right on {len(ringing)} seeds ({', '.join(map(str, ringing))})"
    whole = float(len(ASKED) * len(ringing))
    return [
        *found,
        Row(f"{name}: all", float(sum(ringing)), whole, "answers", None if quick else 1.0),
    ]


def ring_answers(run: Run) -> int:
    """Of the three questions about the ring story, those that a run's bundle answers right."""
    reader = StoryReader.load(Bundle.open(run.folder.bundle))
    given = [one.answer for one in reader.ask(RING, list(ASKED))]
    return sum(one == true for one, true in zip(given, ASKED.values(), strict=True))


def _accuracy(run: Run) -> float:
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    return 100 * outcome.metrics["answer_accuracy"]
