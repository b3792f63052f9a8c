"""The first layer's kernels as they learn: a strip, and an animation."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from safetensors.numpy import load_file

from striate.core.arrays import Pixels
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kernels = NDArray[np.float32]

_MOST_IN_STRIP, _MOST_ROWS = 24, 6
_MOST_IN_FRAME, _MOST_FRAMES = 96, 60
_KERNEL_PX, _GAP, _MARGIN, _CAPTION = 44, 4, 14, 26
_FRAME_MS, _LAST_MS = 160, 2500


def draw_filters(run: Run) -> Figure | None:
    """One row a time, one column a feature map; None before the first evaluation."""
    times = _kept(run.folder, _MOST_ROWS)
    if not times:
        return None
    maps = min(_MOST_IN_STRIP, len(times[0][1]))
    figure = Figure(figsize=(0.8 * maps + 1.2, 0.85 * len(times) + 0.6), layout="constrained")
    grid = figure.subplots(len(times), maps, squeeze=False)
    limit = max(float(np.abs(kernels).max()) for _, kernels in times)
    for at, ((step, kernels), line) in enumerate(zip(times, grid, strict=True)):
        for index, axes in enumerate(line):
            _draw(axes, colour_kernel(kernels[index], limit))
            if at == 0:
                axes.set_title(str(index + 1), fontsize=8)
        line[0].set_ylabel(f"epoch {_epoch(run.spec, step)}", fontsize=8)
    shown = f"{maps} of {len(times[0][1])}" if maps < len(times[0][1]) else "all"
    figure.suptitle(
        f"{run.spec.recipe.name}: first-layer kernels as they learn ({shown})", fontsize=10
    )
    return figure


def animate_filters(run: Run, path: Path) -> Path | None:
    """Write the same as a GIF, one frame an evaluation; None for fewer than three of them."""
    times = _kept(run.folder, _MOST_FRAMES)
    if len(times) < 3:
        return None
    limit = max(float(np.abs(kernels).max()) for _, kernels in times)
    name = run.spec.recipe.name
    frames = [
        _frame(kernels[:_MOST_IN_FRAME], limit, f"{name}   epoch {_epoch(run.spec, step)}")
        for step, kernels in times
    ]
    durations = [_FRAME_MS] * (len(frames) - 1) + [_LAST_MS]
    first, *rest = (frame.quantize(256, dither=Image.Dither.NONE) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0)
    return path


def colour_kernel(kernel: Kernels, limit: float) -> Pixels:
    """(height, width, 3) of a (channels, height, width) kernel.

    Three channels are colours about grey; any other number is averaged, blue below zero and red
    above it.
    """
    if kernel.shape[0] == 3:
        values = np.clip(0.5 + kernel.transpose(1, 2, 0) / (2 * limit), 0, 1)
    else:
        values = colormaps["RdBu_r"](0.5 + kernel.mean(0) / (2 * limit))[..., :3]
    pixels: Pixels = np.rint(255 * values).astype(np.uint8)
    return pixels


def _kept(folder: RunFolder, most: int) -> list[tuple[int, Kernels]]:
    """(step, kernels) at no more than `most` evaluations, the first and the last among them."""
    files = sorted(folder.filters.glob("step-*.safetensors"))
    chosen = sorted({round(i) for i in np.linspace(0, len(files) - 1, most)}) if files else []
    return [(int(files[i].stem[5:]), load_file(files[i])["weight"]) for i in chosen]


def _epoch(run: RunSpec, step: int) -> str:
    epoch = step * run.recipe.batch_size / run.train_rows
    return f"{epoch:.0f}" if epoch >= 10 or abs(epoch - round(epoch)) < 0.05 else f"{epoch:.1f}"


def _draw(axes: "Axes", pixels: Pixels) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")


def _frame(kernels: Kernels, limit: float, caption: str) -> Image.Image:
    """Kernels in rows, each enlarged by whole pixels, under one line of text."""
    columns = min(len(kernels), 12 if len(kernels) > 36 else 8)
    rows = -(-len(kernels) // columns)
    height, width = kernels.shape[-2:]
    scale = max(1, _KERNEL_PX // max(height, 1))
    step_x, step_y = width * scale + _GAP, height * scale + _GAP
    font = ImageFont.load_default(14)
    needed = round(ImageDraw.Draw(Image.new("RGB", (1, 1))).textlength(caption, font))
    size = max(columns * step_x - _GAP, needed) + 2 * _MARGIN, rows * step_y + _CAPTION + _MARGIN
    frame = Image.new("RGB", size, "white")
    ImageDraw.Draw(frame).text((_MARGIN, 6), caption, "#22252a", font)
    for index, kernel in enumerate(kernels):
        picture = Image.fromarray(colour_kernel(kernel, limit))
        picture = picture.resize((width * scale, height * scale), Image.Resampling.NEAREST)
        at = _MARGIN + index % columns * step_x, _CAPTION + 4 + index // columns * step_y
        frame.paste(picture, at)
    return frame
