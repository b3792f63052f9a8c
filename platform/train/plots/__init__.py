"""Pictures that people look at, drawn from what a run leaves in its folder."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from striate.train.plots.confusion import draw_confusion_matrix
from striate.train.plots.curves import draw_learning_curves
from striate.train.plots.filters import animate_filters, draw_filters
from striate.train.plots.mistakes import draw_worst_mistakes
from striate.train.plots.style import DPI
from striate.train.plots.word_map import draw_word_pairs
from striate.train.run.folder import Run

_DRAWINGS: dict[str, Callable[[Run], Figure | Image.Image | None]] = {
    "learning_curves.png": draw_learning_curves,
    "confusion_matrix.png": draw_confusion_matrix,
    "first_layer_filters.png": draw_filters,
    "worst_mistakes.png": draw_worst_mistakes,
    "word_pairs.png": draw_word_pairs,
}
ANIMATION = "first_layer_filters.gif"


def draw_all(run: Run) -> list[Path]:
    """Draw what the run's folder holds data for, as files in its ``pictures``."""
    folder = run.folder.path / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, draw in _DRAWINGS.items():
        picture = draw(run)
        if picture is not None:
            save(picture, folder / name)
            drawn.append(folder / name)
    moving = animate_filters(run, folder / ANIMATION)
    return [*drawn, moving] if moving else drawn


def save(picture: Figure | Image.Image, path: Path) -> None:
    """Write a picture as a PNG file."""
    if isinstance(picture, Figure):
        picture.savefig(path, dpi=DPI)
    else:
        picture.save(path)
