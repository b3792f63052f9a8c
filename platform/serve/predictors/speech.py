"""Speech to text: whole recordings, and sound while it is said, with the same words in the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, PayloadTooLarge, RequestError
from striate.data.pipelines.speech_frames import SpeechFrames, speech_frames
from striate.data.transforms.audio.feature_stream import FeatureStream
from striate.data.transforms.audio.features import windows
from striate.data.transforms.audio.frames import FRAME_S
from striate.data.transforms.audio.load import (
    MAX_SECONDS,
    RATE_HZ,
    Samples,
    decode_audio,
    to_mono,
)
from striate.data.transforms.audio.resampler import Resampler
from striate.data.transforms.audio.state_priors import PRIORS_FILE, StatePriors
from striate.models.speech.word_decoder import WordDecoder
from striate.models.speech.word_history import Heard
from striate.serve.predictors.network import PlainNetwork, only_network, torch_network


@dataclass(frozen=True)
class SpokenWord:
    """A word and where it begins, in seconds from the sound's beginning."""

    word: str
    start_s: float


@dataclass(frozen=True)
class HeardSpeech:
    """What was heard, so far or in all.

    Attributes:
        words: in their order.
        settled_words: how many of them, from the first on, change no more.
        seconds: of the sound that was looked at.
    """

    words: tuple[SpokenWord, ...]
    settled_words: int
    seconds: float

    @property
    def text(self) -> str:
        """The words, with a blank between two."""
        return " ".join(one.word for one in self.words)

    @property
    def settled(self) -> int:
        """Characters of the text that change no more."""
        return len(" ".join(one.word for one in self.words[: self.settled_words]))


class SpeechPredictor:
    """A bundle of a network of the task ``frames`` that tells states of phones, with its decoder.

    Args:
        network: from windows to logits of states.
        pipeline: how sound becomes windows, normalised as ``running``.
        priors: how often each state came.
        decoder: states to words.
    """

    def __init__(
        self,
        network: PlainNetwork,
        pipeline: SpeechFrames,
        priors: StatePriors,
        decoder: WordDecoder,
    ) -> None:
        self.pipeline = pipeline
        self.decoder = decoder
        self._network, self._priors = network, priors

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """Build the bundle's network on a torch device, and the graph of its words.

        Raises:
            BundleError: it reads no speech, was trained on sound that is normalised over whole
                utterances, has no lexicon and grammar, or its weights do not fit.
        """
        spec = bundle.spec.pipeline
        if spec is None or spec.name != "speech-frames":
            raise BundleError(f"The bundle is for {bundle.spec.task}, not for reading speech.")
        pipeline = speech_frames(spec.arguments, training=False)
        if pipeline.normalisation != "running":
            raise BundleError(
                f"The bundle {bundle.path.name} reads speech when all of it has been said.",
                "Train it with data.pipeline_arguments.normalisation=running.",
            )
        priors = StatePriors.of_text(bundle.asset(PRIORS_FILE))
        network = only_network(bundle.spec, torch_network(bundle, device))
        return cls(network, pipeline, priors, WordDecoder.of_bundle(bundle))

    def recognize(self, audio: bytes) -> HeardSpeech:
        """Read a recording.

        Args:
            audio: FLAC, RIFF (WAV) or NIST SPHERE, of any rate and number of channels.

        Raises:
            RequestError: it is empty, truncated, damaged, too long, or of another kind.
        """
        samples, rate = self.decode_file(audio)
        recognizer = self.listen(rate)
        recognizer.accept(samples)
        return recognizer.finish()

    def listen(self, sample_rate_hz: int = RATE_HZ) -> "Recognizer":
        """Begin to hear sound of that rate; each utterance is heard by one of its own."""
        return Recognizer(self, sample_rate_hz)

    def decode_file(self, content: bytes) -> tuple[Samples, int]:
        """(n,) float32 samples of a recording, its channels as one, and their rate.

        Raises:
            RequestError: as `recognize`.
        """
        samples, rate = decode_audio(content)
        return to_mono(samples, rate, rate), rate

    def score(self, windowed: Tensor) -> Tensor:
        """(n, channels, features, window) → (n, states) logarithms of posteriors over priors."""
        return self._priors.scale(self._network(windowed).log_softmax(1))


class Recognizer:
    """One stream of sound being read; see `SpeechPredictor.listen`.

    Sound is looked at in blocks that lie where it begins, so how it is cut does not matter. What is
    held are the last few seconds of sound, the words heard, and the ways that the search follows.

    Args:
        predictor: reads it.
        rate: samples a second.
    """

    def __init__(self, predictor: SpeechPredictor, rate: int) -> None:
        pipeline = predictor.pipeline
        self._predictor = predictor
        self._features = FeatureStream(
            pipeline.features, pipeline.bands, pipeline.coefficients, pipeline.delta_orders
        )
        self._window = pipeline.window
        self._waiting: Tensor | None = None  # (channels, frames, features) with no window yet
        self._search = predictor.decoder.start()
        self._committed: list[SpokenWord] = []
        self._resampler, self._rate = Resampler(rate), rate
        self._samples = 0

    def accept(self, samples: Samples) -> HeardSpeech:
        """Take in the sound that follows.

        Args:
            samples: (n,) float32, from −1 to 1; any number of them.

        Returns:
            What is heard so far, about a third of a second behind the sound, and at its beginning
            a whole one.

        Raises:
            RequestError: these are no such samples.
            PayloadTooLarge: it is more than ten minutes in all.
        """
        sound = _checked(samples)
        if self._samples + len(sound) > MAX_SECONDS * self._rate:
            raise PayloadTooLarge("The sound is too long.", f"Cut it to {MAX_SECONDS:g} s or less.")
        self._samples += len(sound)
        for block in self._features.accept(torch.from_numpy(self._resampler.accept(sound))):
            self._read(block)
        return self._heard(is_last=False)

    def finish(self) -> HeardSpeech:
        """What is heard in all; nothing is accepted after it."""
        rest = torch.from_numpy(self._resampler.finish())
        for block in (*self._features.accept(rest), *self._features.finish()):
            self._read(block)
        if self._waiting is not None:
            last = self._waiting[:, -1:]
            self._read(last.expand(-1, self._window - 1 - self._window // 2, -1))
        return self._heard(is_last=True)

    @torch.no_grad()
    def _read(self, frames: Tensor) -> None:
        """Frames that follow: through the network where windows are whole, then the search."""
        if self._waiting is None:
            self._waiting = frames[:, :1].expand(-1, self._window // 2, -1)
        padded = torch.cat([self._waiting, frames], 1)
        ready = padded.shape[1] - self._window + 1
        if ready > 0:
            windowed = windows(padded, torch.arange(ready), self._window)
            self._search.accept(self._predictor.score(windowed))
            padded = padded[:, ready:]
        self._waiting = padded
        self._committed += self._spoken(self._search.commit())

    def _heard(self, is_last: bool) -> HeardSpeech:
        found = self._search.finish() if is_last else self._search.partial()
        pending = self._spoken(Heard(found.words, found.starts))
        settled = len(self._committed) + (len(pending) if is_last else found.stable)
        return HeardSpeech((*self._committed, *pending), settled, self._samples / self._rate)

    def _spoken(self, heard: Heard) -> Sequence[SpokenWord]:
        words = self._predictor.decoder.words
        return [
            SpokenWord(words[label - 1], round(start * FRAME_S, 2))
            for label, start in zip(heard.words, heard.starts, strict=True)
        ]


def _checked(samples: Samples) -> Samples:
    array = np.asarray(samples)
    if array.ndim != 1 or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise RequestError(
            "The sound is no row of finite floating-point samples.",
            "Send one channel, from -1 to 1.",
        )
    return np.ascontiguousarray(array, np.float32)
