"""Pairs of words on a plane: countries and their capitals, by the two directions they differ most.

As figure 2 of Mikolov, Sutskever, Chen, Corrado, Dean, NIPS 2013: the vectors' principal
components, each pair joined by a line; nothing told the network which words are pairs.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure

from striate.core.bundle import Bundle
from striate.core.errors import StriateError
from striate.data.pipelines.words import FILE
from striate.data.stream.reader import SplitReader
from striate.data.transforms.text.tokenizer import SPECIAL, Tokenizer
from striate.models.evaluation.word_vectors import unit_vectors
from striate.train.plots.style import TEST, TRAIN_SMOOTH, simplify_axes
from striate.train.run.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PAIRS = 16
_TASK, _PREFERRED = "embeddings", "capital"

Pair = tuple[str, str]


def draw_word_pairs(run: Run) -> Figure | None:
    """The pairs of one section of the analogies, the most frequent words first.

    None before there is a bundle, of runs of other tasks, and where the shards are not in reach.
    """
    if run.spec.recipe.task.name != _TASK or not run.folder.bundle.is_dir():
        return None
    try:
        bundle = Bundle.open(run.folder.bundle)
        tokenizer = Tokenizer(bundle.asset(FILE))
        section, pairs = _pairs(run, tokenizer)
        vectors = unit_vectors(bundle.state()["inputs.weight"])
    except StriateError:
        return None
    if len(pairs) < 2:
        return None
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplots()
    ids = [[tokenizer.id_of(word) for word in pair] for pair in pairs]
    _draw_pairs(axes, pairs, project(vectors[torch.tensor(ids)].numpy()))
    simplify_axes(axes)
    axes.set(xlabel="first principal component", ylabel="second principal component")
    figure.suptitle(f"{run.spec.recipe.name}: pairs of the section {section}")
    return figure


def project(vectors: np.ndarray) -> np.ndarray:
    """(pairs, 2, dim) vectors → (pairs, 2, 2): their two principal components.

    What a component's sign is means nothing: the first of each pair stands left of its second on
    the whole, and below it.
    """
    flat = vectors.reshape(-1, vectors.shape[2])
    centred = flat - flat.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    plane = (centred @ directions[:2].T).reshape(*vectors.shape[:2], 2)
    turned = np.sign((plane[:, 1] - plane[:, 0]).sum(0))
    found: np.ndarray = plane * np.where(turned == 0, 1, turned)
    return found


def _pairs(run: Run, tokenizer: Tokenizer) -> tuple[str, list[Pair]]:
    """A section, that of capitals where there is one, and its pairs of known words."""
    reader = SplitReader(run.spec.shards, run.spec.recipe.data.test_split)
    sections: dict[int, dict[Pair, int]] = {}
    for one in reader.stored(np.arange(reader.rows)):
        a, b, c, d = bytes(one.payload).decode().split()
        assert isinstance(one.label, int)
        for pair in ((a, b), (c, d)):
            ids = [ids[0] if len(ids) == 1 else 0 for ids in map(tokenizer.encode, pair)]
            if min(ids) >= len(SPECIAL):
                low: Pair = (tokenizer.words[ids[0]], tokenizer.words[ids[1]])
                sections.setdefault(one.label, {})[low] = max(ids)
    names = run.spec.labels
    order = sorted(sections, key=lambda at: (_PREFERRED not in names[at], at))
    if not order:
        return "", []
    pairs = sections[order[0]]
    return names[order[0]], sorted(pairs, key=pairs.__getitem__)[:MOST_PAIRS]


def _draw_pairs(axes: "Axes", pairs: list[Pair], places: np.ndarray) -> None:
    for (first, second), ((x, y), (to_x, to_y)) in zip(pairs, places.tolist(), strict=True):
        axes.plot((x, to_x), (y, to_y), "--", color="#999999", linewidth=0.8)
        axes.plot(x, y, "o", color=TRAIN_SMOOTH, markersize=4)
        axes.plot(to_x, to_y, "o", color=TEST, markersize=4)
        for word, at, align, off in (
            (first, (x, y), "right", -5),
            (second, (to_x, to_y), "left", 5),
        ):
            axes.annotate(word, at, (off, 0), textcoords="offset points", ha=align, va="center",
                          fontsize=8)  # fmt: skip
    axes.margins(x=0.18)
