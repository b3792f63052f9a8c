"""Tasks: metrics by their definitions, and the same numbers however samples are split."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from striate.core.errors import RecipeError
from striate.data.pipelines.base import OfOneImage, Places, Stored
from striate.data.pipelines.registry import pipeline_of
from striate.data.stream.batch import Batch
from striate.data.stream.evaluation import split_batches
from striate.data.stream.spec import Share
from striate.models import MODELS
from striate.models.evaluation.dense import dense_scores
from striate.models.layers.dropout import SampleDropout
from striate.models.layers.tower import Tower
from striate.train.config import TaskConfig
from striate.train.run.mistake import Mistake
from striate.train.tasks import TASKS
from striate.train.tasks.base import ShowsMistakes, Tally, Task
from striate.train.tasks.classification import Classification
from striate.train.tasks.clips import Clips
from striate.train.tasks.counts import MOST_IN_CONFUSION, Counts
from striate.train.tasks.crops import crop_average, scales_of
from striate.train.tasks.frames import FrameStates
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.outputs import OUTPUT, compute_views, name_outputs

pytestmark = pytest.mark.unit

CPU = torch.device("cpu")
CLASSES = 7


def batch_of(rows: int, units: int, seed: int) -> Batch:
    """Rows of `units` samples; each row has one to three labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.full((rows, 3), -1)
    for row in range(rows):
        some = torch.randperm(CLASSES, generator=generator)
        count = int(torch.randint(1, 4, (), generator=generator))
        labels[row, :count] = some[:count]
    each = labels.repeat_interleave(units, 0)
    tensors = {
        "features": torch.randn(rows * units, CLASSES, generator=generator, dtype=torch.float64),
        "labels": each[:, 0],
        "all_labels": each,
        "rows": torch.arange(rows).repeat_interleave(units),
        "units": torch.arange(units).repeat(rows),
    }
    return Batch(tensors, rows * units, 0, rows * units)


def chosen(batch: Batch, ids: Sequence[int]) -> Batch:
    """Some samples of a batch."""
    index = torch.tensor(ids, dtype=torch.int64)
    return batch.map(lambda one: one[index])


def dense(batch: Batch) -> Batch:
    """The same with 3×2 pixels a sample, some of them unknown, and scores for each."""
    scores, labels = batch.tensors["features"], batch.labels
    pixels = scores[:, :, None, None] * torch.linspace(-1, 1, 6).view(3, 2)
    known = torch.where(pixels.sum(1) > -1, labels[:, None, None], -1)
    return replace(batch, tensors={**batch.tensors, "features": pixels, "labels": known})


def paired(batch: Batch) -> Batch:
    """The same as pairs, each with the sample before it in the batch."""
    tensors = batch.tensors
    seconds = {
        "others": tensors["features"].roll(1, 0) / 2,
        "labels": (tensors["labels"] == tensors["labels"].roll(1, 0)).long(),
        "other_rows": tensors["rows"].roll(1, 0),
    }
    return replace(batch, tensors={**tensors, **seconds})


def identity(inputs: Tensor) -> Tensor:
    return inputs


def posed(batch: Batch) -> Batch:
    """The same as windows: points of pose space, each window a face of some pose or none."""
    features, labels = batch.tensors["features"], batch.tensors["labels"]
    points = torch.cat([features, features[:, :2]], 1)
    tensors = {**batch.tensors, "features": points, "poses": points[:, :2], "labels": labels % 2}
    return replace(batch, tensors=tensors)


def told(batch: Batch) -> Batch:
    """The same as questions: what is found is one memory or none, by the first feature."""
    features, units = batch.tensors["features"], batch.tensors["units"]
    supports = torch.stack([units % 2, (features[:, 0] > 0).long()], 1)
    return replace(batch, tensors={**batch.tensors, "supports": supports})


def asked(batch: Batch) -> Batch:
    """The same as analogies: some are not known, some answered right, by the first features."""
    features, units = batch.tensors["features"], batch.tensors["units"]
    analogy = torch.stack([units, units + 1, units + 2, (features[:, 0] > 0).long()], 1)
    analogy[features[:, 1] > 1] = -1
    return replace(batch, tensors={**batch.tensors, "analogy": analogy})


SHAPED: dict[str, Callable[[Batch], Batch]] = {
    "dense_labels": dense, "pairs": paired, "face_pose": posed, "memories": told,
    "embeddings": asked,
}  # fmt: skip


NO_CONFUSION = {"dense_labels", "pairs", "face_pose", "embeddings"}


def counted(task: Task, batches: Sequence[Batch]) -> tuple[Tally, Mistakes]:
    """What one rank makes of its batches, as the loop does it."""
    tally, worst = task.zero(CPU), Mistakes()
    for batch in batches:
        outputs = name_outputs(batch.inputs)
        if "others" in batch.tensors:
            outputs = dict(task.predict(identity, batch))
        if "supports" in batch.tensors:
            found = (batch.inputs[:, :2] > 0).long()
            outputs = {"answers": batch.inputs, "memories": found}
        if "analogy" in batch.tensors:
            answer = (batch.inputs[:, 2] > 0).long()
            outputs = {"answer": answer, "score": batch.inputs[:, 3]}
        tally = tally + task.count(outputs, batch)
        if isinstance(task, ShowsMistakes):  # a task draws its mistakes or has none
            worst = worst + task.mistakes(outputs, batch)
    return tally, worst


@given(
    name=st.sampled_from(sorted(set(TASKS) - {"knowledge", "translation"})),  # tests of their own
    rows=st.integers(1, 30),
    units=st.integers(1, 10),
    world=st.integers(1, 4),
    batch_size=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_no_number_depends_on_the_batches_or_on_the_world(
    name: str, rows: int, units: int, world: int, batch_size: int, seed: int
) -> None:
    task = TASKS[name](TaskConfig(name=name), CLASSES)
    whole = batch_of(rows, units, seed)
    if name in SHAPED:
        whole = SHAPED[name](whole)
    expected, worst = counted(task, [whole])
    group = units if task.by_row else 1
    parts = [
        counted(
            task,
            [
                chosen(whole, ids.tolist())
                for _, _, ids in split_batches(rows * units, batch_size, Share(rank, world), group)
                if len(ids)
            ],
        )
        for rank in range(world)
    ]
    packed = torch.stack([tally.pack() for tally, _ in parts]).sum(0)
    found = task.unpack(packed, CPU)
    assert found.metrics() == pytest.approx(expected.metrics(), rel=1e-9)
    counts = {k: v for k, v in expected.metrics().items() if k != "loss"}
    assert {k: v for k, v in found.metrics().items() if k != "loss"} == counts
    assert (found.confusion is None) == (name in NO_CONFUSION)
    if found.confusion is not None and expected.confusion is not None:
        assert torch.equal(found.confusion, expected.confusion)
    assert Mistakes.merge([one.pack() for _, one in parts]).worst == worst.worst
    assert task.headline in found.metrics()


@given(
    units=st.integers(0, 400),
    group=st.integers(1, 12),
    batch_size=st.integers(1, 50),
    world=st.integers(1, 5),
)
def test_every_sample_is_evaluated_once_and_rows_stay_whole(
    units: int, group: int, batch_size: int, world: int
) -> None:
    total = units // group * group
    cuts = [
        list(split_batches(total, batch_size, Share(rank, world), group)) for rank in range(world)
    ]
    ids = np.concatenate([ids for cut in cuts for _, _, ids in cut] or [np.zeros(0, np.int64)])
    assert sorted(ids.tolist()) == list(range(total))
    for cut in cuts:
        for _, _, one in cut:
            assert (np.bincount(one // group) % group == 0).all()
    assert len({tuple((start, stop) for start, stop, _ in cut) for cut in cuts}) == 1


def test_a_hit_of_a_video_is_any_true_label_by_the_mean_of_its_clips() -> None:
    """Two videos of two clips: one clip is sure of class 0, the other one leans to class 1."""
    logits = torch.tensor([[4.0, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 3.0, 2.9], [0, 0, 0, 3.0]])
    labels = torch.tensor([[0, -1], [0, -1], [1, 2], [1, 2]])
    tensors = {"labels": labels[:, 0], "all_labels": labels, "rows": torch.tensor([5, 5, 9, 9])}
    task = Clips(TaskConfig(name="clips"), 4)
    batch = Batch(tensors, 4, 0, 4)
    outputs = name_outputs(logits)
    metrics = task.count(outputs, batch).metrics()
    # Clips 0 and 2 are hits. Video 5 is a hit; 9 is class 3, on average. All is among the best 4.
    assert metrics["clip_hit1"] == 0.5
    assert metrics["video_hit1"] == 0.5
    assert metrics["video_hit5"] == 1.0
    log_p = logits.log_softmax(1)
    losses = [log_p[0, 0], log_p[1, 0], log_p[2, 1:3].mean(), log_p[3, 1:3].mean()]
    assert metrics["loss"] == pytest.approx(-float(torch.stack(losses).mean()), rel=1e-6)
    assert float(task.loss(outputs, batch)) == pytest.approx(4 * metrics["loss"], rel=1e-6)
    (worst,) = task.mistakes(outputs, batch).worst
    assert (worst.row, worst.unit, worst.true, worst.predicted) == (9, 0, 1, 3)


def test_the_target_of_several_labels_is_even_over_them() -> None:
    """The gradient in the logits is softmax − target."""
    logits = torch.randn(1, CLASSES, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[4, 2, -1]])
    tensors = {"labels": labels[:, 0], "all_labels": labels, "rows": torch.tensor([0])}
    task = Clips(TaskConfig(name="clips"), CLASSES)
    loss = task.loss(name_outputs(logits), Batch(tensors, 1, 0, 1))
    (gradient,) = torch.autograd.grad(loss, logits)
    target = torch.zeros(CLASSES, dtype=torch.float64)
    target[[2, 4]] = 0.5
    assert torch.allclose(gradient, logits.softmax(1) - target)


def test_ten_crops_answer_with_the_mean_of_their_softmax() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, CLASSES))
    images = torch.randn(5, 10, 3, 4, 4)
    with torch.no_grad():
        answer = crop_average(network, images)
        each = torch.stack([network(images[:, crop]).softmax(1) for crop in range(10)])
        assert torch.allclose(answer.exp(), each.mean(0), atol=1e-6)
        assert torch.equal(crop_average(network, images[:, 0]), network(images[:, 0]))


def test_auxiliary_heads_add_their_share_to_the_loss_and_nothing_to_the_counts() -> None:
    main, one, two = (torch.randn(6, CLASSES, dtype=torch.float64) for _ in range(3))
    batch = batch_of(6, 1, seed=3)
    task = Classification(TaskConfig(auxiliary_weight=0.3), CLASSES)
    parts = [float(task.loss(name_outputs(logits), batch)) for logits in (main, one, two)]
    expected = parts[0] + 0.3 * (parts[1] + parts[2])
    assert float(task.loss(name_outputs((main, one, two)), batch)) == pytest.approx(
        expected, rel=1e-9
    )


def test_half_width_outputs_are_widened_before_the_softmax() -> None:
    logits, batch = torch.randn(6, CLASSES).bfloat16(), batch_of(6, 1, seed=4)
    for task in (Classification(TaskConfig(), CLASSES), FrameStates(TaskConfig(), CLASSES)):
        assert task.loss(name_outputs(logits), batch).dtype == torch.float32
        assert task.loss(name_outputs(logits.double()), batch).dtype == torch.float64


def test_frames_of_thousands_of_states_are_counted_without_a_matrix() -> None:
    states = MOST_IN_CONFUSION + 1
    task = FrameStates(TaskConfig(name="frames"), states)
    logits = torch.eye(4, states)
    tensors = {"labels": torch.tensor([0, 1, 2, 9]), "rows": torch.arange(4)}
    counts = task.zero(CPU) + task.count(name_outputs(logits), Batch(tensors, 4, 0, 4))
    assert len(counts.pack()) == 4
    found = task.unpack(counts.pack(), CPU)
    assert found.confusion is None
    assert found.metrics()["frame_accuracy"] == 0.75


@given(
    scores=st.lists(st.sampled_from([0.25, 0.5, 0.75]), min_size=1, max_size=60),
    kept=st.integers(1, 8),
    cut=st.integers(0, 60),
)
def test_ties_among_the_worst_mistakes_go_to_the_first_rows(
    scores: list[float], kept: int, cut: int
) -> None:
    rows = torch.arange(len(scores))
    probabilities = torch.zeros(len(scores), 3)
    probabilities[:, 1] = torch.tensor(scores)
    zero, wrong = torch.zeros_like(rows), torch.zeros(len(scores), dtype=torch.bool)

    def worst(part: slice) -> Mistakes:
        p, true, right, row = (one[part] for one in (probabilities, zero, wrong, rows))
        return Mistakes.among(p, true, right, row, torch.zeros_like(row), kept)

    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:kept]
    whole = worst(slice(None))
    assert [one.row for one in whole.worst] == expected
    halves = [worst(slice(None, cut)), worst(slice(cut, None))]
    assert Mistakes.merge([half.pack() for half in reversed(halves)]) == whole
    assert whole.worst[0] == Mistake(expected[0], 0, 0, 1, scores[expected[0]])


def test_a_batch_is_cut_without_losing_a_sample() -> None:
    batch = batch_of(5, 2, seed=0)
    for count in (1, 2, 3, 10, 25):
        parts = list(batch.parts(count))
        assert len(parts) <= count
        for name, tensor in batch.tensors.items():
            assert torch.equal(torch.cat([part.tensors[name] for part in parts]), tensor)
    assert replace(batch, cursor=3).map(Tensor.double).tensors["rows"].dtype == torch.float64


def test_counts_add_up_to_what_they_were_packed_from() -> None:
    one = Counts.of(torch.eye(3), torch.tensor([0, 1, 1]), torch.tensor(2.5))
    both = Counts.zero(3, CPU) + one + Counts.unpack(one.pack(), 3)
    assert both.metrics() == {
        "top1": pytest.approx(2 / 3),
        "top5": 1.0,
        "loss": pytest.approx(2.5 / 3),
    }
    assert not math.isnan(both.metrics()["loss"])


def test_dense_evaluation_is_the_mean_over_places_scales_and_mirror_images() -> None:
    torch.manual_seed(0)
    network = MODELS["vgg16"](classes=CLASSES, field=32, width=0.0625).eval()
    assert isinstance(network, Tower)
    images, larger = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 64, 64)
    tensors = {"images": images, "images_at_64": larger, "labels": torch.tensor([0, 1])}
    batch = Batch(tensors, 2, 0, 2)
    with torch.no_grad():
        task = Classification(TaskConfig(evaluation="dense"), CLASSES)
        answer = task.predict(network, batch)[OUTPUT].exp()
        alone = (network(images).softmax(1) + network(images.flip(3)).softmax(1)) / 2
        places = [
            dense_scores(network, one).softmax(1).mean((2, 3)) for one in (larger, larger.flip(3))
        ]
        assert torch.allclose(answer, (alone + (places[0] + places[1]) / 2) / 2, atol=1e-6)
        with pytest.raises(RecipeError, match="cannot be run at every place"):
            task.predict(nn.Sequential(network), batch)


def test_the_pipeline_for_dense_evaluation_gives_whole_images_at_each_scale() -> None:
    out = io.BytesIO()
    Image.fromarray(np.zeros((60, 90, 3), np.uint8)).save(out, "PNG")
    pipeline = pipeline_of("dense", {"size": 32, "shorter": [36, 48, 64]}, training=False)
    places = Places(0, np.zeros(1, np.int64), np.zeros(1, np.int64))
    tensors = pipeline([Stored(0, 0, out.getvalue(), 3)], places)
    shapes = [tuple(one.shape) for one in scales_of(Batch(tensors, 1, 0, 1))]
    assert shapes == [(1, 3, 36, 36), (1, 3, 48, 48), (1, 3, 64, 64)]
    assert isinstance(pipeline, OfOneImage)
    assert {"op": "centre_crop", "height": 32, "width": 32} in pipeline.preprocessing


def test_outputs_get_their_names_at_one_place() -> None:
    one, two = torch.zeros(2, 3), torch.ones(2, 3)
    assert name_outputs(one) == {OUTPUT: one}
    assert name_outputs((one, two)) == {OUTPUT: one, "auxiliary_1": two}
    assert name_outputs({"boxes": one, "masks": two}) == {"boxes": one, "masks": two}


def test_views_go_through_one_network_in_one_call_with_the_masks_of_their_samples() -> None:
    torch.manual_seed(0)
    calls, drop = [], SampleDropout(0.5)

    def network(inputs: Tensor) -> Tensor:
        calls.append(len(inputs))
        dropped: Tensor = drop(inputs)
        return dropped

    first, second = torch.ones(3, 40), 2 * torch.ones(3, 40)
    keys = torch.tensor([5, 6, 7])
    batch = Batch({"images": first, "others": second, "keys": keys}, 3, 0, 3)
    one, other = compute_views(network, [first, second], batch)
    assert calls == [6]
    assert torch.equal(2 * one[OUTPUT], other[OUTPUT])
    assert 0 < int((one[OUTPUT] == 0).sum()) < 120
    assert not torch.equal(one[OUTPUT][0], one[OUTPUT][1])
