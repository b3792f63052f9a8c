"""What all pictures of runs share: colours, and axes that do not shout."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAIN, TRAIN_SMOOTH, TEST = "#7f9fbf", "#2d5f8f", "#c4452d"
SEVERAL = ("#2d5f8f", "#c4452d", "#3a8a5a", "#8a5aa8", "#b5862c", "#2c9aa8", "#8c564b", "#5f6670")
"""For several runs, in their order; the ninth begins anew, dashed."""
DPI = 130


def simplify_axes(axes: "Axes") -> None:
    """A faint grid, and no frame at the top and on the right."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
