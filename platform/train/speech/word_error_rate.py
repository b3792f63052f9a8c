"""A network of speech reads utterances back as text; word error rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from striate.core.bundle import Bundle
from striate.core.errors import BundleError
from striate.data.pipelines.registry import pipeline_of
from striate.data.pipelines.speech_frames import SpeechFrames
from striate.data.stream.reader import SplitReader
from striate.data.stream.transcripts import transcripts_of
from striate.data.transforms.audio.features import windows
from striate.data.transforms.audio.state_priors import PRIORS_FILE, StatePriors
from striate.models import build_from
from striate.models.speech.word_decoder import WordDecoder
from striate.models.speech.word_errors import WordErrors, word_errors

_BATCH = 256


@dataclass(frozen=True)
class Reading:
    """One utterance, read back.

    Attributes:
        key: its name in the corpus.
        said: what it says.
        heard: what was decoded.
    """

    key: str
    said: tuple[str, ...]
    heard: tuple[str, ...]

    @property
    def errors(self) -> WordErrors:
        """What is wrong in it."""
        return word_errors(self.said, self.heard)


@dataclass(frozen=True)
class ScoredUtterance:
    """One utterance before it is decoded.

    Attributes:
        key: its name in the corpus.
        said: what it says.
        scores: (T, states) logarithms of posteriors over priors.
    """

    key: str
    said: tuple[str, ...]
    scores: Tensor


def read_split(
    bundle: Bundle, shards: str | Path, split: str, decoder: WordDecoder | None = None
) -> Iterator[Reading]:
    """Decode every utterance of a split.

    Args:
        bundle: of a network of the task ``frames``, with priors.
        shards: of a corpus of speech whose texts are known.
        split: its name.
        decoder: by default the bundle's own.

    Raises:
        BundleError: the bundle has no priors, takes no frames of speech, or has no decoder.
        DataError: a shard is missing or damaged, or the texts are not known.
        DamagedSample: a sound cannot be used.
    """
    decoder = decoder or WordDecoder.of_bundle(bundle)
    for one in score_split(bundle, shards, split):
        yield Reading(one.key, one.said, decoder.said(decoder.decode(one.scores)))


def score_split(bundle: Bundle, shards: str | Path, split: str) -> Iterator[ScoredUtterance]:
    """What the network says of every frame of a split, utterance by utterance.

    Args:
        bundle, shards, split: as of `read_split`.

    Raises:
        BundleError: the bundle has no priors, or takes no frames of speech.
        DataError, DamagedSample: as `read_split`.
    """
    network, priors = build_from(bundle), StatePriors.of_text(bundle.asset(PRIORS_FILE))
    pipeline = _frames_of(bundle)
    reader = SplitReader(str(shards), split)
    for transcript in transcripts_of(str(shards), split):
        (stored,) = reader.stored(np.array([transcript.row]))
        scores = priors.scale(log_posteriors(network, pipeline.prepare(stored), pipeline.window))
        yield ScoredUtterance(stored.key, transcript.words, scores)


def total_errors(readings: Iterator[Reading] | list[Reading]) -> WordErrors:
    """The errors of all, whose rate is the word error rate."""
    return reduce(add, (reading.errors for reading in readings), WordErrors())


@torch.no_grad()
def log_posteriors(network: nn.Module, padded: Tensor, window: int) -> Tensor:
    """The logarithms of each frame's posteriors.

    Args:
        network: in evaluation mode.
        padded: (channels, T + window − 1, features), as `SpeechFrames.prepare` makes it.
        window: frames of a window.

    Returns:
        (T, states) float32.
    """
    frames = torch.arange(padded.shape[1] - window + 1)
    parts = [network(windows(padded, some, window)) for some in torch.split(frames, _BATCH)]
    return torch.cat(parts).log_softmax(1)


def _frames_of(bundle: Bundle) -> SpeechFrames:
    spec = bundle.spec.pipeline
    pipeline = pipeline_of(spec.name, spec.arguments, training=False) if spec else None
    if not isinstance(pipeline, SpeechFrames):
        raise BundleError(f"The bundle {bundle.path.name} takes no frames of speech.")
    return pipeline
