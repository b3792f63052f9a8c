"""What all peers compute: the echo, and the tagging predictor of a bundle, one thread each."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Answer = tuple[Any, Any]  # (labels,) object array of bytes, (scores,) float32
Predict = Callable[[Sequence[bytes]], list[Answer]]
_ECHO: Answer = (np.array([b"echo"], dtype=object), np.ones(1, dtype=np.float32))


def echo(images: Sequence[bytes]) -> list[Answer]:
    """The label `echo` for each, whatever it is."""
    return [_ECHO] * len(images)


def tagger(bundle: str) -> Predict:
    """The very predictor that Striate serves, without its server."""
    from pathlib import Path

    import torch

    from striate.core.bundle import Bundle
    from striate.serve.common.types import TagRequest
    from striate.serve.predictors import load_tagging
    from striate.serve.predictors.base import answer

    torch.set_num_threads(1)
    predictor = load_tagging(Bundle.open(Path(bundle)), "cpu")

    def predict(images: Sequence[bytes]) -> list[Answer]:
        found = answer(predictor, [TagRequest(image) for image in images])
        answers = []
        for tags in found:
            if isinstance(tags, Exception):
                raise tags
            labels = np.array([tag.name.encode() for tag in tags], dtype=object)
            answers.append((labels, np.array([tag.score for tag in tags], dtype=np.float32)))
        return answers

    return predict
