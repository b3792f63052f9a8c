"""What recipes promise: published figures with sources, and bundles that the server can feed."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.bundle import Bundle
from striate.core.errors import RecipeError
from striate.core.settings import Settings
from striate.data.pipelines.aligned_faces import AlignedFaces, AlignedPairs
from striate.data.pipelines.base import OfOneImage
from striate.data.pipelines.clips import TestClips, TrainClips
from striate.data.pipelines.dense_labels import DenselyLabelled
from striate.data.pipelines.face_windows import FaceWindows
from striate.data.pipelines.images import TestImages, TrainImages
from striate.data.pipelines.kb_questions import KnowledgeQuestions
from striate.data.pipelines.pairs import ImagePairs
from striate.data.pipelines.registry import pipeline_of
from striate.data.pipelines.speech_frames import SpeechFrames
from striate.data.pipelines.story_questions import StoryQuestions
from striate.data.pipelines.texts import TextPipeline
from striate.data.pipelines.words import Analogies, WordWindows
from striate.data.shards.manifest import MANIFEST_FILE, Manifest
from striate.data.stream.batch import Batch
from striate.data.stream.reader import SplitReader
from striate.data.transforms.audio.state_priors import PRIORS_FILE, StatePriors
from striate.data.transforms.image.preprocess import apply, decode_image, fit
from striate.models import MODELS, build_from
from striate.train.distributed.world import World
from striate.train.launch import run as job
from striate.train.launch.check_sequences import check_sequences
from striate.train.loop.batches import (
    open_evaluation,
    pipeline_for_evaluation,
    pipeline_for_training,
)
from striate.train.loop.train import train
from striate.train.recipes import RECIPES
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tasks import TASKS
from striate.train.tracking.reference_results import PUBLISHED, references_for

pytestmark = pytest.mark.unit

MakeShort = Callable[[str, int], Run]


def trained(run: Run) -> Bundle:
    """The bundle of a run."""
    train(run, World())
    return Bundle.open(run.folder.bundle)


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def test_a_photo_reaches_the_served_model_as_it_reached_the_evaluated_one(
    make_short_run: MakeShort,
) -> None:
    """The bundle's steps on a decoded photo, against the pipeline on its encoded bytes."""
    run = make_short_run("vgg16-mini", 2)
    bundle = trained(run)
    assert bundle.spec.pipeline is not None
    assert bundle.spec.pipeline.name == "imagenet-train"
    assert (bundle.spec.task, bundle.spec.input.layout) == ("classification", "CHW")
    reader = SplitReader(run.spec.shards, "val")
    steps = bundle.spec.preprocessing
    batches = list(open_evaluation(run.spec, World()))
    images = torch.cat([batch.images for batch in batches])
    stored = reader.stored(np.arange(reader.rows))
    served = torch.stack(
        [torch.from_numpy(fit(decode_image(bytes(one.payload)), steps)) for one in stored]
    )
    ready = apply(steps, served)
    assert ready.shape == images.shape
    # Two decoders and two resizers: a level of 255 here and there, divided by a deviation of 57.
    assert float((ready - images).abs().mean()) < 1.5 / 57
    assert float((ready - images).abs().max()) < 12 / 57
    network = build_from(bundle)
    with torch.no_grad():
        right = (network(ready).argmax(1) == torch.cat([b.labels for b in batches])).double()
    assert float(right.mean()) == pytest.approx(
        bundle.spec.provenance.metrics["top1"], abs=3 / reader.rows
    )


@pytest.mark.parametrize("size", [(40, 90), (90, 40), (48, 48), (300, 200)])
@pytest.mark.parametrize("grey", [False, True])
def test_the_steps_fit_photos_of_any_shape(size: tuple[int, int], grey: bool) -> None:
    data = resolve("vgg16-mini").data
    pipeline = pipeline_for_evaluation(data)
    assert isinstance(pipeline, OfOneImage)
    steps = pipeline.preprocessing
    shape = size if grey else (*size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image = decode_image(encoded(pixels, "PNG"))
    ready = apply(steps, torch.from_numpy(fit(image, steps))[None])
    assert ready.shape == (1, 3, 48, 48)


def test_a_bundle_of_frames_knows_how_often_each_state_came(make_short_run: MakeShort) -> None:
    run = make_short_run("speech-mini", 2)
    bundle = trained(run)
    assert (bundle.spec.task, bundle.spec.input.layout) == ("frames", "CFT")
    assert bundle.spec.input.shape == (1, 40, 40)
    priors = StatePriors.of_text(bundle.asset(PRIORS_FILE))
    manifest = Manifest.load(run.spec.shards)
    assert len(priors.counts) == len(manifest.labels)
    assert sum(priors.counts) == sum(s.units or 0 for s in manifest.split_shards("train"))
    reader = SplitReader(run.spec.shards, "train", None)
    some = reader.stored(np.arange(reader.units))
    first = sum(int(np.asarray(one.label)[one.unit]) == 7 for one in some)
    assert priors.counts[7] == first


def test_scaled_posteriors_favour_rare_states() -> None:
    priors = StatePriors((30, 10, 0))
    even = torch.full((2, 3), 1 / 3).log()
    scaled = priors.scale(even)
    assert torch.allclose(scaled.exp(), torch.tensor([41 / 30, 41 / 10, 41.0]) / 3)
    assert torch.equal(priors.scale(even, weight=0), even)


def test_a_bundle_of_clips_says_how_clips_are_cut(make_short_run: MakeShort) -> None:
    run = make_short_run("c3d-mini", 1)
    bundle = trained(run)
    assert (bundle.spec.task, bundle.spec.input.layout) == ("clips", "CTHW")
    assert bundle.spec.input.shape == (3, 16, 32, 32)
    assert bundle.spec.pipeline is not None
    assert bundle.spec.preprocessing == ()
    pipeline = pipeline_of(
        bundle.spec.pipeline.name, bundle.spec.pipeline.arguments, training=False
    )
    assert pipeline.units_per_row == 10
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    videos = Manifest.load(run.spec.shards).rows("test")
    assert sum(map(sum, outcome.confusion)) == videos


def test_a_bundle_of_pairs_embeds_one_image(make_short_run: MakeShort) -> None:
    bundle = trained(make_short_run("pairs-mini", 2))
    spec = bundle.spec
    assert (spec.task, spec.labels, spec.input.shape) == ("pairs", (), (1, 32, 32))
    assert [(name, one.shape) for name, one in spec.outputs.items()] == [("embedding", (8,))]
    assert spec.outputs["embedding"].units.endswith("below a Euclidean distance of 0.5")
    assert spec.provenance.metrics.keys() == {"pair_accuracy", "auc", "equal_error", "loss"}
    assert build_from(bundle)(torch.zeros(3, 1, 32, 32)).shape == (3, 8)


def test_a_bundle_of_dense_labels_takes_images_of_any_size(make_short_run: MakeShort) -> None:
    run = make_short_run("scenes-mini", 2)
    bundle = trained(run)
    spec = bundle.spec
    assert (spec.task, spec.labels) == ("dense_labels", run.spec.labels)
    assert spec.input.shape == (3, "height", "width")
    assert [(n, one.shape) for n, one in spec.outputs.items()] == [
        ("scores", (8, "height", "width"))
    ]
    network = build_from(bundle)
    counted = torch.zeros(2, dtype=torch.int64)
    for one in SplitReader(run.spec.shards, "test").stored(np.arange(8)):
        pixels = fit(decode_image(bytes(one.payload)), spec.preprocessing)
        with torch.no_grad():
            scores = network(apply(spec.preprocessing, torch.from_numpy(pixels)[None]))
        true = torch.frombuffer(bytearray(memoryview(one.label)), dtype=torch.int16)  # type: ignore[arg-type]
        found = scores.argmax(1).flatten() == true
        counted += torch.stack([found[true >= 0].sum(), (true >= 0).sum()])
    assert int(counted[0]) / int(counted[1]) == pytest.approx(
        spec.provenance.metrics["pixel_accuracy"], abs=1e-3
    )


def test_clips_of_a_video_stay_with_one_worker(make_short_run: MakeShort) -> None:
    """Each rank's own count of hits, added up, is that of one worker: on real videos."""
    run = make_short_run("c3d-mini", 1)
    task = TASKS["clips"](run.spec.recipe.task, len(run.spec.labels))

    def batches(world: World) -> list[Batch]:
        return list(open_evaluation(run.spec, world, task.by_row))

    seen = [batch.rows for rank in range(3) for batch in batches(World(rank, 3))]
    for rows in seen:
        assert set(torch.unique(rows, return_counts=True)[1].tolist()) == {10}
    assert sorted(torch.cat(seen).tolist()) == sorted(
        torch.cat([batch.rows for batch in batches(World())]).tolist()
    )


def test_a_bundled_corpus_is_ingested_on_first_use(tmp_path: Path) -> None:
    settings = Settings.load({"STRIATE_HOME": str(tmp_path)})
    notes: list[str] = []
    recipe = resolve("faces-mini")
    place = job.shards_of(recipe, settings, lambda event: notes.append(event.note))
    assert (Path(place) / MANIFEST_FILE).is_file()
    assert "faces" in notes[0]
    again: list[str] = []
    assert job.shards_of(recipe, settings, lambda event: again.append(event.note)) == place
    assert again == []


def test_a_model_of_other_classes_than_the_shards_is_refused() -> None:
    recipe = resolve("vgg16-mini")
    with pytest.raises(RecipeError, match=r"18 classes.* have 2") as caught:
        job._check_classes(recipe, job._check_builds(recipe), ("face", "nonface"))
    assert "model.arguments.classes=2" in caught.value.remedy


def test_published_figures_are_of_recipes_and_of_metrics_that_these_report() -> None:
    reported = {
        "classification": {"top1", "top5"},
        "clips": {"clip_hit1", "video_hit1", "video_hit5"},
        "frames": {"frame_accuracy"},
        "face_pose": {"face_accuracy", "auc", "yaw_within_15", "roll_within_15"},
        "embeddings": {"analogy_accuracy"},
        "pairs": {"pair_accuracy", "auc", "equal_error"},
        "sentences": {"top1", "top5"},
        "dense_labels": {"pixel_accuracy", "class_accuracy", "mean_iou"},
    }
    for name, figures in PUBLISHED.items():
        task = RECIPES[name]().task.name
        for figure in figures:
            assert figure.metric in reported[task]
            assert 0 < figure.value < 1
            assert figure.source
    assert references_for("alexnet-mini") == ()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_feeds_its_model_what_it_takes(name: str) -> None:
    """Pipelines take the recipe's arguments, in training and in evaluation, at the right size."""
    recipe = RECIPES[name]()
    pipelines = [pipeline_for_training(recipe.data), pipeline_for_evaluation(recipe.data)]
    with torch.device("meta"):
        model = MODELS[recipe.model.name](**recipe.model.arguments)
    shape = model.input_shape
    for pipeline in pipelines:
        if isinstance(pipeline, TrainImages | TestImages):
            assert shape == (3, pipeline.arguments.size, pipeline.arguments.size)
        elif isinstance(pipeline, TrainClips | TestClips):
            assert shape == (3, pipeline.frames, pipeline.crop, pipeline.crop)
        elif isinstance(pipeline, KnowledgeQuestions | SpeechFrames | StoryQuestions):
            assert shape == pipeline.shape
        elif isinstance(pipeline, ImagePairs):
            stored = torch.zeros(1, *pipeline.images.shape)
            assert shape == apply(pipeline.preprocessing, stored).shape[1:]
        elif isinstance(pipeline, AlignedFaces):
            assert shape == (3, pipeline.arguments.size, pipeline.arguments.size)
        elif isinstance(pipeline, AlignedPairs):
            assert shape == (3, *[pipeline.images.arguments.size] * 2)
        elif isinstance(pipeline, FaceWindows):
            assert shape == (1, 32, 32)
        elif isinstance(pipeline, TextPipeline):
            check_sequences(recipe, model, pipeline)
            if "tokens" in pipeline.arguments.sequences:
                tokens = pipeline.arguments.sequences["tokens"]
                assert shape == (tokens.most,) and model.vocabulary == tokens.tokenizer.size
        elif isinstance(pipeline, WordWindows | Analogies):
            assert model.vocabulary == pipeline.arguments.tokenizer.size
        elif isinstance(pipeline, DenselyLabelled):
            assert not pipeline.training or shape == (3, *pipeline.size)
        else:
            assert pipeline is None


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("-mini")])
def test_small_recipes_run_on_any_machine(name: str) -> None:
    recipe = RECIPES[name]()
    assert not recipe.scaling.gpu
    assert recipe.precision == "fp32"
