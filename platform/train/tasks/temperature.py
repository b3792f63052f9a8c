"""How sure a network of scores is: one temperature, fitted on answers that are known.

Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2:
scores are divided by a number before the softmax, the one that makes the known answers likeliest.
"""

import json
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE_FILE = "temperature.json"
_LEAST, _MOST, _STEPS = -3, 2, 251  # powers of ten


def temperature_asset(answered: Iterable[tuple[Tensor, Tensor]], split: str) -> dict[str, str]:
    """`TEMPERATURE_FILE` with its text: the temperature, and what it was fitted on.

    Args:
        answered: of batches, (n, classes) scores and (n,) labels.
        split: where they are from.
    """
    found = list(answered)
    scores = torch.cat([one.double() for one, _ in found])
    labels = torch.cat([label for _, label in found])
    fitted = fit_temperature(scores, labels)
    told = {"temperature": fitted, "split": split, "questions": len(labels)}
    return {TEMPERATURE_FILE: json.dumps(told, indent=1) + "\n"}


def fit_temperature(scores: Tensor, labels: Tensor) -> float:
    """The temperature of the least cross-entropy, of 251 from 0.001 to 100, 50 a decade.

    Args:
        scores: (n, classes) float64.
        labels: (n,) true classes.

    >>> scores = torch.tensor([[0.3, 0.0]] * 9 + [[0.0, 0.3]])  # right nine times of ten
    >>> 0.12 < fit_temperature(scores.double(), torch.zeros(10).long()) < 0.15  # 0.3 / ln 9
    True
    """
    temperatures = torch.logspace(_LEAST, _MOST, _STEPS, dtype=torch.float64)
    losses = torch.stack([F.cross_entropy(scores / one, labels) for one in temperatures])
    return float(temperatures[losses.argmin()])
