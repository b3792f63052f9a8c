"""The ROC curves of verification as one picture."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from striate.train.faces.verification import Verification
from striate.train.plots.style import DPI, SEVERAL, simplify_axes

_LEAST_SHOWN = 1e-3


def draw_roc(found: Mapping[str, Verification], title: str) -> Figure:
    """Pairs of one person that are accepted, over pairs of two that are, for each way to compare.

    Args:
        found: what the legend says → its verification.
        title: of the picture.
    """
    figure = Figure((9.6, 4.4), dpi=DPI, layout="constrained")
    whole, low = figure.subplots(1, 2)
    for axes in (whole, low):
        for number, (name, one) in enumerate(found.items()):
            line = "-" if number < len(SEVERAL) else "--"
            label = f"{name}: {one}"
            colour = SEVERAL[number % len(SEVERAL)]
            curve = (one.accepted_other, one.accepted_same)
            axes.plot(*curve, line, color=colour, label=label, drawstyle="steps-post")
        axes.set_xlabel("pairs of two people that are accepted")
        axes.set_ylim(0, 1.01)
        simplify_axes(axes)
    whole.plot([0, 1], [0, 1], ":", color="#999999", linewidth=0.8)
    whole.set_xlim(0, 1)
    whole.set_ylabel("pairs of one person that are accepted")
    whole.legend(loc="lower right", fontsize=7)
    low.set_xscale("log")
    low.set_xlim(_LEAST_SHOWN, 1)
    figure.suptitle(title, fontsize=10)
    return figure
