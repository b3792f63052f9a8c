"""Words of the bundled speech, read back from its own frame labels and through a bundle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.core.bundle import Bundle
from striate.data.shards.manifest import Manifest
from striate.data.stream.reader import SplitReader
from striate.data.stream.transcripts import transcripts_of, words_of
from striate.models.automata import Fsa
from striate.models.speech.lexicon import Lexicon
from striate.models.speech.word_decoder import GRAMMAR_FILE, LEXICON_FILE, WordDecoder
from striate.serve.predictors.speech import SpeechPredictor
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.speech.word_error_rate import Reading, read_split, total_errors
from striate.train.tasks.frame_words import decoder_of_shards

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("corpus", ["speech", "speech-states"])
def test_the_frames_own_labels_are_read_back_as_what_was_said(
    corpus: str, bundled_shards: Callable[[str], Path]
) -> None:
    shards = bundled_shards(corpus)
    labels = Manifest.load(shards).labels
    files = decoder_of_shards(str(shards), "train", labels)
    lexicon = Lexicon.of_text(files[LEXICON_FILE])
    decoder = WordDecoder(labels, lexicon, Fsa.from_str(files[GRAMMAR_FILE]))
    told = transcripts_of(shards, "train")
    assert lexicon.words == tuple(sorted({word for one in told for word in one.words}))
    rows = SplitReader(shards, "train").stored(np.arange(len(told)))
    readings = []
    for transcript, row in zip(told[:6], rows, strict=False):
        states = torch.from_numpy(np.array(row.label, np.int64))
        scores = torch.nn.functional.one_hot(states, len(labels)).float() * 20
        readings.append(Reading(row.key, transcript.words, decoder.said(decoder.decode(scores))))
    errors = total_errors(readings)
    assert errors.words > 20
    assert errors.errors == 0, readings


def test_a_trained_bundle_carries_what_decodes_it(make_short_run: Callable[..., Run]) -> None:
    run = make_short_run("speech-states-mini", 2)
    train(run, World())
    bundle = Bundle.open(run.folder.bundle)
    decoder = WordDecoder.of_bundle(bundle, max_active=30)
    readings = list(read_split(bundle, run.spec.shards, "test", decoder))
    told = transcripts_of(run.spec.shards, "test")
    assert [reading.said for reading in readings] == [one.words for one in told]
    assert {word for reading in readings for word in reading.heard} <= set(decoder.words)
    assert total_errors(readings).words == sum(len(one.words) for one in told)
    predictor = SpeechPredictor.load(bundle)
    predictor.decoder = decoder
    sounds = SplitReader(run.spec.shards, "test").stored(np.arange(len(told)))
    heard = [predictor.recognize(bytes(sound.payload)).text for sound in sounds]
    assert heard == [" ".join(reading.heard) for reading in readings]


def test_labels_that_are_no_phones_have_no_decoder(bundled_shards: Callable[[str], Path]) -> None:
    assert decoder_of_shards(str(bundled_shards("speech")), "train", ("one", "two")) == {}


def test_words_of_a_text() -> None:
    assert words_of("She didn’t say: THE boat, 12!") == (
        "she",
        "didn’t",
        "say",
        "the",
        "boat",
        "12",
    )
