"""Generated speech read back as text: word error rates of voices that nobody was trained on.

Of the training voices every fifth is kept for choosing the weight of the frames' scores: a network
that did not hear them reads them with each weight, and the one with the fewest errors is taken.
Then networks of several seeds are trained on all training voices and read the test voices once,
with that weight. What is told are the words that are right, 100 less the word error rate, median
and worst.

The speed is that of one core that reads utterances while they come, in pieces of a quarter of a
second: seconds of sound a second.
"""

import shutil
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from harness import Row
from untracked import train_untracked

from striate.core.bundle import Bundle
from striate.data.corpora.speech import SIZE
from striate.data.corpora.speech_states import write_speech_states
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.data.stream.reader import SplitReader
from striate.models.speech.word_decoder import WordDecoder
from striate.serve.predictors.speech import SpeechPredictor
from striate.train.speech.acoustic_scale import SCALES, best_scale, errors_by_scale
from striate.train.speech.word_error_rate import read_split, total_errors

SEEDS, QUICK_SIZE, QUICK_SCALES = 5, 24, (0.1, 0.3)
MOST_WRONG = 15.0
NAME = "speech-states-mini"
_KEPT_EVERY = 5
_PIECES_A_SECOND = 4
_READ, _QUICK_READ = 10, 2  # utterances of the speed


def rows(folder: Path, quick: bool) -> list[Row]:
    """Words read right against what is asked, and the speed of reading against real time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _rows(folder, quick)
    finally:
        torch.set_num_threads(threads)


def _rows(folder: Path, quick: bool) -> list[Row]:
    corpus, kept = folder / "corpus", folder / "kept"
    write_speech_states(corpus, QUICK_SIZE if quick else SIZE)
    keep_voices(corpus, kept)
    for source in (corpus, kept):
        ingest("timit", source, folder / f"{source.name}-shards", workers=1)
    shards, less = folder / "corpus-shards", ("epochs=1",) if quick else ()
    chosen = _trained(folder / "choosing", folder / "kept-shards", *less)
    scales = QUICK_SCALES if quick else SCALES
    tried = errors_by_scale(chosen, folder / "kept-shards", "test", scales)
    scale = best_scale(tried)
    rates = []
    for seed in range(1 if quick else SEEDS):
        bundle = _trained(folder / f"seed-{seed}", shards, f"seed={seed}", *less)
        decoder = WordDecoder.of_bundle(bundle, scale=scale)
        errors = total_errors(read_split(bundle, shards, "test", decoder))
        rates.append(100 * errors.rate)
    wrong = statistics.median(rates)
    name = (
        f"words read right, voices held out ({wrong:.2f} % wrong of {errors.words} words, median of"
        f" {len(rates)} seeds, the worst {max(rates):.2f}; scale {scale:g} of voices kept for it,"
        f" {100 * tried[scale].rate:.2f} % wrong there): {MOST_WRONG:.0f} % wrong allowed"
    )
    return [
        Row(name, 100 - wrong, 100 - MOST_WRONG, "%", None if quick else 1.0),
        Row(
            "speech read while it comes: real time", _speed(bundle, shards, quick), 1.0, "s/s", 1.0
        ),
    ]


def keep_voices(corpus: Path, target: Path) -> None:
    """A corpus of the training voices alone, every fifth of which is its split ``test``."""
    files = [path for path in corpus.rglob("*") if path.is_file()]
    spoken = {path: path.relative_to(corpus).parts for path in files}
    voices = sorted({parts[-2] for parts in spoken.values() if "TRAIN" in parts})
    kept = set(voices[_KEPT_EVERY - 1 :: _KEPT_EVERY])
    for path, parts in spoken.items():
        if "TEST" in parts:
            continue
        named = ["TEST" if part == "TRAIN" and parts[-2] in kept else part for part in parts]
        place = target.joinpath(*named)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def _trained(folder: Path, shards: Path, *overrides: str) -> Bundle:
    classes = f"model.arguments.classes={len(Manifest.load(shards).labels)}"
    run = train_untracked(folder, shards, NAME, classes, *overrides)
    return Bundle.open(run.folder.bundle)


def _speed(bundle: Bundle, shards: Path, quick: bool) -> float:
    predictor, reader = SpeechPredictor.load(bundle), SplitReader(str(shards), "test")
    some = reader.stored(np.arange(min(_QUICK_READ if quick else _READ, reader.rows)))
    sounds = [predictor.decode_file(bytes(one.payload)) for one in some]
    began = time.perf_counter()
    for samples, rate in sounds:
        recognizer = predictor.listen(rate)
        for piece in np.array_split(samples, max(1, _PIECES_A_SECOND * len(samples) // rate)):
            recognizer.accept(piece)
        recognizer.finish()
    return sum(len(one) / rate for one, rate in sounds) / (time.perf_counter() - began)
