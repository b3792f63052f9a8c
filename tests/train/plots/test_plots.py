"""Pictures of runs: what they show is what the run left, at ten classes as at a thousand."""

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from safetensors.numpy import save_file

from striate.core.errors import TrackingUnavailable
from striate.train import plots
from striate.train.distributed.world import World
from striate.train.launch import live_plots
from striate.train.loop.report_evaluation import first_layer
from striate.train.loop.train import train
from striate.train.plots import comparison
from striate.train.plots.confusion import draw_confusion_matrix, most_confused, pool_errors
from striate.train.plots.curves import draw_learning_curves
from striate.train.plots.filters import animate_filters, colour_kernel
from striate.train.plots.mistakes import draw_worst_mistakes
from striate.train.run.folder import Run
from striate.train.run.mistake import Mistake
from striate.train.run.spec import RunOutcome
from striate.train.tasks import TASKS
from striate.train.tasks.classification import Classification
from striate.train.tasks.drawings import row_of
from striate.train.tasks.pair_drawings import join_side_by_side
from striate.train.tracking.metric_log import MetricLog, MetricRecord

pytestmark = pytest.mark.unit

Make = Any


def _leave(run: Run, **outcome: Any) -> None:
    """Put an outcome into a run's folder."""
    whole = RunOutcome.model_validate(
        {"metrics": {"top1": 0.5}, "confusion": (), "steps": 1, "seconds": 1.0, **outcome}
    )
    run.folder.path.mkdir(parents=True, exist_ok=True)
    run.folder.outcome.write_text(whole.model_dump_json())


def _filters(run: Run, times: int, shape: tuple[int, ...] = (8, 3, 5, 5)) -> None:
    run.folder.filters.mkdir(parents=True)
    for step in range(times):
        weight = np.random.default_rng(step).normal(size=shape).astype(np.float32)
        save_file({"weight": weight}, run.folder.filters / f"step-{step:08d}.safetensors")


def test_nothing_is_drawn_of_a_run_that_left_nothing(make_run: Make) -> None:
    assert plots.draw_all(make_run("lenet5-digits")) == []


def test_the_filters_animation_has_a_frame_for_each_time(make_run: Make, tmp_path: Path) -> None:
    run = make_run("lenet5-digits")
    _filters(run, 5)
    path = animate_filters(run, tmp_path / "filters.gif")
    assert path is not None
    with Image.open(path) as moving:
        assert moving.n_frames == 5  # type: ignore[attr-defined]
        assert moving.info["loop"] == 0
    assert {path.name for path in plots.draw_all(run)} == {
        "first_layer_filters.png",
        "first_layer_filters.gif",
    }


@pytest.mark.parametrize("channels", [1, 2, 3, 48])
def test_kernels_of_any_number_of_channels_have_colours(channels: int) -> None:
    kernel = np.zeros((channels, 5, 4), np.float32)
    kernel[:, 0, 0] = 1
    pixels = colour_kernel(kernel, limit=1.0)
    assert pixels.shape == (5, 4, 3)
    assert (pixels[0, 0] != pixels[1, 1]).any()


def test_the_frames_of_a_clips_kernel_are_side_by_side() -> None:
    layer = torch.nn.Conv3d(3, 4, (2, 5, 3))
    shown = first_layer(torch.nn.Sequential(layer))
    assert shown is not None and shown.shape == (4, 3, 5, 6)
    assert (shown[..., :3] == layer.weight[:, :, 0]).all()
    assert (shown[..., 3:] == layer.weight[:, :, 1]).all()


squares = st.integers(1, 16).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 9), min_size=size, max_size=size), min_size=size, max_size=size
    )
)


@settings(max_examples=40)
@given(squares, st.integers(1, 7))
def test_pooling_loses_no_error(counts: list[list[int]], most: int) -> None:
    errors = np.array(counts)
    cells, side = pool_errors(errors, most)
    assert len(cells) <= most and cells.sum() == errors.sum()
    assert cells[0, 0] == errors[:side, :side].sum()


@settings(max_examples=40)
@given(squares)
def test_the_pairs_confused_most_are_the_largest_cells(counts: list[list[int]]) -> None:
    errors = np.array(counts)
    listed = most_confused(errors, 5)
    assert all(errors[true, found] == count > 0 for true, found, count in listed)
    found = sorted((count for *_, count in listed), reverse=True)
    assert found == [c for c in sorted(errors.flatten().tolist(), reverse=True)[:5] if c]


@pytest.mark.parametrize("classes", [2, 10, 31, 487, 1000])
def test_a_confusion_matrix_is_drawn_at_any_size(
    classes: int, make_run: Make, tmp_path: Path
) -> None:
    names = tuple(f"a class of a long name, number {index}" for index in range(classes))
    run = make_run("lenet5-digits").with_spec(labels=names)
    counts = np.eye(classes, dtype=int) * 9
    counts[0, 1] = 3
    _leave(run, confusion=counts.tolist())
    figure = draw_confusion_matrix(run)
    assert figure is not None
    assert f"3 of {9 * classes + 3:,} held-out images wrong" in figure.get_suptitle()
    figure.savefig(tmp_path / "confusion.png", dpi=60)
    with Image.open(tmp_path / "confusion.png") as picture:
        assert max(picture.size) < 3000
    texts = {text.get_text().strip() for axes in figure.axes for text in axes.texts}
    assert ("3 of 12" if classes > 30 else "3") in texts


def test_a_task_without_a_confusion_matrix_has_none(make_run: Make) -> None:
    run = make_run("lenet5-digits")
    _leave(run)
    assert draw_confusion_matrix(run) is None


def test_the_worst_mistakes_show_the_photographs_that_they_name(
    make_run: Make, digits_shards: Path
) -> None:
    from striate.data.stream.reader import SplitReader

    run = make_run("lenet5-digits")
    rows = [7, 0, 359]
    reader = SplitReader(digits_shards, "test")
    images, labels = reader.take(np.array(rows))
    for row, image, label in zip(rows, images, labels.tolist(), strict=True):
        found = row_of(reader, row)
        assert (found.shard.images[found.at] == image).all()
        assert found.shard.label(found.at) == label
    mistakes = [Mistake(row, 0, int(labels[0]), 3, 0.9) for row in rows]
    _leave(run, mistakes=mistakes)
    sheet = draw_worst_mistakes(run)
    assert isinstance(sheet, Image.Image)
    pixels = np.asarray(sheet.convert("L"))
    middle = np.repeat(images[:, 0, 14], 4, axis=1)  # of digits that are enlarged four times
    lines = [line.tobytes() for line in pixels]
    for line in middle:
        assert any(line.tobytes() in drawn for drawn in lines)


@pytest.mark.parametrize("name", ["pairs-mini", "scenes-mini"])
def test_a_task_draws_its_own_mistakes(name: str, make_short_run: Make, tmp_path: Path) -> None:
    """The pairs, or the images with their regions, that the last evaluation names."""
    run = make_short_run(name, 2)
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert outcome.mistakes and outcome.confusion == ()
    assert {path.name for path in plots.draw_all(run)} == {
        "learning_curves.png",
        "first_layer_filters.png",
        "worst_mistakes.png",
    }
    with Image.open(run.folder.path / "pictures" / "worst_mistakes.png") as picture:
        drawn = np.asarray(picture.convert("RGB"))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 50


def test_a_pair_stands_side_by_side() -> None:
    dark, grey = np.zeros((4, 3, 1), np.uint8), np.full((2, 5, 1), 90, np.uint8)
    both = join_side_by_side([dark, grey])
    assert both is not None and both.shape == (4, 10, 1)
    assert (both[:, :3] == 0).all() and (both[:2, 5:] == 90).all()
    assert (both[:, 3:5] == 255).all() and (both[2:, 5:] == 255).all()
    assert join_side_by_side([dark, None]) is None


class Silent:
    """A task that says nothing of its mistakes."""

    def __init__(self, task: Classification) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        if name in {"mistakes", "draw_mistakes"}:
            raise AttributeError(name)
        return getattr(self._task, name)


def test_a_task_need_not_show_its_mistakes(
    make_short_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_short_run("lenet5-digits", 2)
    make = TASKS["classification"]
    monkeypatch.setitem(TASKS, "classification", lambda *of: Silent(make(*of)))  # type: ignore[arg-type]
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    assert outcome.mistakes == () and outcome.metrics["top1"] > 0
    assert {path.name for path in plots.draw_all(run)} == {
        "learning_curves.png",
        "confusion_matrix.png",
        "first_layer_filters.png",
    }


def test_a_task_may_draw_nothing(make_run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run("lenet5-digits")
    _leave(run, mistakes=[Mistake(1, 0, 2, 3, 0.9)])
    assert draw_worst_mistakes(run) is not None
    monkeypatch.setattr(Classification, "draw_mistakes", lambda *_: None)
    assert draw_worst_mistakes(run) is None


def test_mistakes_whose_shards_are_gone_leave_the_other_pictures(make_run: Make) -> None:
    run = make_run("lenet5-digits").with_spec(shards="/nowhere")
    _leave(run, mistakes=[Mistake(1, 0, 2, 3, 0.9)])
    assert draw_worst_mistakes(run) is None


def test_pictures_reach_mlflow_while_the_run_runs(
    make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is away at first costs nothing: they are drawn again."""
    run = make_run("lenet5-digits")
    _filters(run, 4)
    logged, came = [], threading.Event()

    class Client:
        def log_artifact(self, run_id: str, path: str, folder: str) -> None:
            logged.append((run_id, folder, Path(path).name))
            if path.endswith(".gif"):
                came.set()

    answers = iter([TrackingUnavailable("MLflow is away.")])

    def connect(uri: str) -> Client:
        for error in answers:
            raise error
        return Client()

    monkeypatch.setattr(live_plots, "connect", connect)
    monkeypatch.setattr(live_plots, "_LEAST_REST", 0)
    with live_plots.update_plots_live(run, every_s=0.01):
        assert came.wait(60)
    assert logged[0] == (run.spec.run_id, "pictures", "first_layer_filters.png")


def test_curves_of_several_runs_have_a_line_each() -> None:
    runs = [
        comparison.Curves(
            name=name,
            headline="video_hit1",
            steps_per_epoch=10.0,
            loss=[(step, 2.0 / (step + 1)) for step in range(40)],
            score=[(10, 0.1), (40, 0.6)],
            timed=[(1.0, 0.1), (2.0, 0.6)],
        )
        for name in ("first", "second")
    ]
    figure = comparison.draw_comparison(runs)
    losses, scores, times = figure.axes
    assert [line.get_label() for line in scores.lines] == ["first", "second"]
    assert np.asarray(times.lines[0].get_xdata()).tolist() == [1.0, 2.0]
    assert np.asarray(scores.lines[0].get_xdata()).tolist() == [1.0, 4.0]
    assert "video hit@1" in scores.get_title()
    assert len(losses.lines) == 4


def test_the_outcome_of_an_older_run_is_still_read(make_run: Make) -> None:
    run = make_run("lenet5-digits")
    run.folder.path.mkdir(parents=True, exist_ok=True)
    document = {"metrics": {"top1": 1.0}, "confusion": [[1, 0], [0, 1]], "steps": 1, "seconds": 1}
    run.folder.outcome.write_text(json.dumps(document))
    assert draw_worst_mistakes(run) is None


def leave_curves(run: Run, losses: list[float], scores: list[float]) -> None:
    """Training and held-out losses and scores, as a run of so many steps leaves them."""
    every = len(losses) // len(scores)
    records = [
        MetricRecord(key="train/loss", step=step, value=loss, time_ms=step)
        for step, loss in enumerate(losses, start=1)
    ]
    for at, score in enumerate(scores, start=1):
        values = {
            "test/top1": score,
            "test/top5": (1 + score) / 2,
            "test/loss": losses[at * every - 1],
        }
        records += [
            MetricRecord(key=key, step=at * every, value=value, time_ms=at)
            for key, value in values.items()
        ]
    MetricLog(run.folder.metric_log).append(records)


def falling(first: float, last: float, count: int) -> list[float]:
    return [float(value) for value in np.geomspace(first, last, count)]


@pytest.mark.parametrize(
    ("first", "last"), [(2.3, 0.55), (6.9, 1.4), (2.0, 0.02), (0.9, 0.3), (1.0, 3e-7), (4.1, 3.2)]
)
def test_the_labels_of_a_loss_are_all_written_the_same_way(
    make_run: Make, first: float, last: float
) -> None:
    run = make_run("lenet5-digits")
    leave_curves(run, falling(first, last, 200), [0.5, 0.9])
    figure = draw_learning_curves(run)
    assert figure is not None
    labels = drawn_labels(figure.axes[0])
    assert len(labels) >= 2
    assert len({"e" in label for label in labels}) == 1, labels


def drawn_labels(axes: Any) -> list[str]:
    """The texts on the upright axis within its limits."""
    FigureCanvasAgg(axes.figure).draw()
    low, high = axes.get_ylim()
    ticks = [*axes.yaxis.get_major_ticks(), *axes.yaxis.get_minor_ticks()]
    shown = [str(tick.label1.get_text()) for tick in ticks if low <= tick.get_loc() <= high]
    return [text for text in shown if text]


@pytest.mark.parametrize("scores", [[0.3, 0.9, 0.99], [0.99, 0.5], [0.9, 0.9, 0.9]])
def test_the_last_value_lies_on_no_line(make_run: Make, scores: list[float]) -> None:
    run = make_run("lenet5-digits")
    leave_curves(run, falling(2.0, 0.1, 60), scores)
    figure = draw_learning_curves(run)
    assert figure is not None
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[1]
    (value,) = axes.texts
    box = value.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, "it is on the paper"
    for line in axes.lines:
        points = axes.transData.transform(np.column_stack(line.get_data()))
        dense = np.concatenate(
            [np.linspace(one, other, 500) for one, other in itertools.pairwise(points)]
        )
        inside = (
            (box.x0 <= dense[:, 0]) & (dense[:, 0] <= box.x1)
            & (box.y0 <= dense[:, 1]) & (dense[:, 1] <= box.y1)
        )  # fmt: skip
        assert not inside.any()
