"""Sentences by their class, and as vectors: a bundle of a network that reads token sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, RequestError
from striate.core.validation import show_value
from striate.data.pipelines.texts import FILE, SequenceSpec, TextArguments
from striate.data.transforms.text.tokenizer import PAD, Tokenizer
from striate.serve.predictors.network import NamedNetwork, torch_network

TASK, TOKENS, SCORES, EMBEDDING = "sentences", "tokens", "scores", "embedding"

_TOGETHER = 64  # sentences that go through the network at once


@dataclass(frozen=True)
class Classified:
    """What a network says of a sentence.

    Attributes:
        label: the likeliest class.
        scores: label → its probability; they sum to 1.
    """

    label: str
    scores: dict[str, float]


class SentenceReader:
    """A bundle of a classifier of sentences, with its vocabulary.

    Args:
        network: from ids to scores and a vector.
        spec: how a text becomes ids.
        tokenizer: the vocabulary.
        labels: of the classes.
    """

    def __init__(
        self,
        network: NamedNetwork,
        spec: SequenceSpec,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
    ) -> None:
        self._network, self._spec, self._tokenizer = network, spec, tokenizer
        self.labels = labels

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """Build the bundle's network on a torch device.

        Raises:
            BundleError: it does not classify sentences, or its weights do not fit.
        """
        spec = bundle.spec
        if spec.task != TASK or spec.pipeline is None:
            raise BundleError(f"The bundle is for {spec.task}, not for the classes of sentences.")
        sequence = TextArguments.model_validate(spec.pipeline.arguments).sequences[TOKENS]
        tokenizer = Tokenizer(bundle.asset(FILE.format(TOKENS)))
        return cls(torch_network(bundle, device), sequence, tokenizer, spec.labels)

    def classify(self, texts: Sequence[str]) -> list[Classified]:
        """The class of each text, and how likely all of them are.

        Raises:
            RequestError: a text has no word.
            PayloadTooLarge: a text is longer than is looked at.
        """
        probabilities = self._run(texts, SCORES).softmax(1)
        return [
            Classified(
                self.labels[int(row.argmax())],
                dict(zip(self.labels, row.tolist(), strict=True)),
            )
            for row in probabilities
        ]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dim): what each text is judged by.

        Raises:
            RequestError, PayloadTooLarge: as `classify`.
        """
        return self._run(texts, EMBEDDING).numpy()

    def _run(self, texts: Sequence[str], output: str) -> Tensor:
        """One output of each text; as though each were asked for by itself."""
        ids = [self._ids(text) for text in texts]
        found: list[Tensor] = [torch.empty(0)] * len(ids)
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        for first in range(0, len(order), _TOGETHER):
            chosen = order[first : first + _TOGETHER]
            tokens = torch.full((len(chosen), max(len(ids[at]) for at in chosen)), PAD)
            for row, at in zip(tokens, chosen, strict=True):
                row[: len(ids[at])] = torch.tensor(ids[at])
            for at, made in zip(chosen, self._network({TOKENS: tokens})[output], strict=True):
                found[at] = made.float()
        return torch.stack(found) if found else torch.zeros(0, len(self.labels))

    def _ids(self, text: str) -> list[int]:
        ids = self._spec.encode(self._tokenizer, text)
        if not ids:
            raise RequestError(f"The text {show_value(text)} has no word.")
        return ids
