"""What a recipe is made of: frozen, typed, validated configuration.

Every field has one meaning and one unit; an unknown field is an error.
`striate.train.recipes.resolve` resolves names, files and overrides into one of these.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from striate.core.numbers import (
    Amount,
    BelowOne,
    Count,
    FreeArguments,
    NonNegative,
    Positive,
    Rate,
    Real,
    Seed,
    Share,
)


def _as_text(place: object) -> object:
    return str(place) if isinstance(place, Path) else place


Location = Annotated[str, BeforeValidator(_as_text)]
"""A folder's path, or a URI; a `Path` is taken too."""


MOST_WORKERS = 65_536
_Inside = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(_Config):
    """A name in `striate.models.MODELS`, the arguments that build it, and what it begins with.

    Attributes:
        name: of the architecture.
        arguments: of its function.
        weights: folder of a bundle whose weights it begins with, wherever name and shape of a
            tensor agree; None: those it is built with.
        trainable: beginnings of the names of the parameters that learn; none: all do.
    """

    name: str
    arguments: FreeArguments = Field(default_factory=dict)
    weights: Location | None = None
    trainable: tuple[str, ...] = ()


class DataConfig(_Config):
    """Where samples come from and what is done to them.

    Attributes:
        corpus: a name in `striate.data.corpora.CORPORA`.
        shards: folder or URI of ingested shards; the corpus's own folder in the home when None.
        train_split, test_split: splits of the manifest.
        preprocessing: steps from a decoded image to the network's input; stored in the bundle.
        augment: a name in `striate.data.transforms.image.augment.AUGMENTATIONS`, or None.
        pipeline: a name in `striate.data.pipelines.registry.PIPELINES`, which makes tensors of
            encoded samples in training; None for raw images, which are what `augment`
            and `preprocessing` are for.
        pipeline_arguments: of its factory.
        test_pipeline: the same for evaluation; None: `pipeline` without its augmentation.
        test_pipeline_arguments: of its factory; those of `pipeline` when that is evaluated with.
        window: samples shuffled among each other; see `striate.data.stream.order.Order`. None: as
            many as a few gigabytes of shards hold, 65,536 at most.
        max_damaged: damaged rows that each training process gets over; see
            `striate.data.stream.stream.Stream`.
        threads: threads that make batches in each training process; 0, best where a process has
            one core and images are small, makes them when they are asked for.
        prefetch: batches made ahead, in each training process.
        decode: ``local``, or ``remote``: other nodes of the cluster make the training batches.
        decoders: processes that do so, for each training process.
    """

    corpus: str
    shards: Location | None = None
    train_split: str = "train"
    test_split: str = "test"
    preprocessing: tuple[FreeArguments, ...] = ()
    augment: str | None = None
    pipeline: str | None = None
    pipeline_arguments: FreeArguments = Field(default_factory=dict)
    test_pipeline: str | None = None
    test_pipeline_arguments: FreeArguments = Field(default_factory=dict)
    window: Count | None = None
    max_damaged: Amount = 10
    threads: int = Field(default=0, ge=0, le=1024)
    prefetch: int = Field(default=2, ge=1, le=1024)
    decode: Literal["local", "remote"] = "local"
    decoders: int = Field(default=2, ge=1, le=1024)

    @model_validator(mode="after")
    def _one_way_to_make_tensors(self) -> Self:
        if self.pipeline is not None and self.augment is not None:
            raise ValueError("augment is for raw images: a pipeline has its own, as arguments")
        if self.pipeline is None and (self.test_pipeline or self.pipeline_arguments):
            raise ValueError("pipeline is missing, which the other pipeline fields belong to")
        return self


class TaskConfig(_Config):
    """What is learnt.

    Attributes:
        name: a name in `striate.train.tasks.TASKS`.
        loss: ``cross_entropy``, or ``map``, the competitive criterion of LeCun et al. 1998.
        rejection_penalty: the criterion's j, the penalty of the rubbish class (``map`` only).
        label_smoothing: share of the target spread over all classes (``cross_entropy`` only).
        auxiliary_weight: of the losses of auxiliary heads, where the network has any.
        evaluation: ``crops``: the mean over the crops that the pipeline gives; ``dense``: over all
            places of larger images, at each scale of the pipeline ``dense``, and of their mirror
            images; ``fine``: the same with OverFeat's offsets at the last pool.
        arguments: of the task's own, where it has any, for example ``margin`` of ``pairs``.
    """

    name: str = "classification"
    loss: Literal["cross_entropy", "map"] = "cross_entropy"
    rejection_penalty: Real = 16.0
    label_smoothing: BelowOne = 0.0
    auxiliary_weight: NonNegative = 0.3
    evaluation: Literal["crops", "dense", "fine"] = "crops"
    arguments: FreeArguments = Field(default_factory=dict)


class OptimizerConfig(_Config):
    """How weights move.

    Attributes:
        name: the rule.
        lr: the peak learning rate; `schedule` scales it.
        momentum: of ``sgd``.
        betas: of ``adamw``.
        weight_decay: L2 for ``sgd``, decoupled for ``adamw``.
        bias_lr: learning rate of vectors (biases, gains) over that of weights; 2 in the recipes
            of Caffe's time.
        decay_biases: whether vectors decay as well.
        longest_row_step: L2 norm that the step of a row has at most, of tables with sparse
            gradients; see `striate.train.loop.row_sgd`.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    lr: Rate
    momentum: BelowOne = 0.9
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    weight_decay: NonNegative = 0.0
    bias_lr: Positive = 1.0
    decay_biases: bool = False
    longest_row_step: Positive = 0.5


class ScheduleConfig(_Config):
    """How the learning rate goes with the steps; see `striate.train.loop.lr_schedule.rate_at`.

    Attributes:
        name: ``constant``; ``cosine`` or ``polynomial``, (1 − progress) to the `power`, down to
            `final_share` of the peak; ``step``, times `factor` at each of `milestones_epochs` or
            every `every_epochs`; ``plateau``, times `factor` whenever the task's headline metric
            has not got better for `patience` evaluations in a row.
        warmup_share: share of all steps in which the rate rises linearly from zero.
        final_share: the last rate over the peak; of ``step`` and ``plateau`` the least.
        milestones_epochs: passes over the training split after which ``step`` lowers the rate.
        every_epochs: the same at equal distances, instead of `milestones_epochs`.
        factor: what ``step`` and ``plateau`` multiply the rate by.
        patience: evaluations of ``plateau``.
        power: of ``polynomial``; 1 is a straight line.
    """

    name: Literal["constant", "cosine", "step", "plateau", "polynomial"] = "cosine"
    warmup_share: BelowOne = 0.0
    final_share: Share = 0.0
    milestones_epochs: tuple[Positive, ...] = ()
    every_epochs: Positive | None = None
    factor: _Inside = 0.1
    patience: Count = 3
    power: Positive = 1.0

    @model_validator(mode="after")
    def _steps_are_said_once(self) -> Self:
        ways = bool(self.milestones_epochs) + (self.every_epochs is not None)
        if ways != (1 if self.name == "step" else 0):
            raise ValueError(
                "milestones_epochs or every_epochs, one of them, belongs to the schedule step"
                " and to no other"
            )
        return self


class ScalingConfig(_Config):
    """Who trains.

    Attributes:
        workers: Ray Train workers, the least of them where `max_workers` is given; 0 trains in
            this process, without Ray.
        max_workers: up to so many while the cluster has room, down to `workers` when it loses
            nodes; None keeps `workers`.
        strategy: ``ddp``: each worker holds the whole model; ``fsdp``: weights, gradients and
            momenta are divided among the workers, for what does not fit one of them.
        gpu: whether each worker holds one GPU.
        cpus_per_worker: CPUs that Ray reserves for each worker, and its threads of arithmetic.
        max_failures: restarts after a worker's death before the run is given up; likewise after
            the death of Ray Train's controller.
        resize_every_s: seconds between two looks at the cluster for room for more workers.
        grace_s: seconds in which workers may write a checkpoint before they are ended for a
            change of their number.
    """

    workers: int = Field(default=2, ge=0, le=MOST_WORKERS)
    max_workers: int | None = Field(default=None, ge=1, le=MOST_WORKERS)
    strategy: Literal["ddp", "fsdp"] = "ddp"
    gpu: bool = False
    cpus_per_worker: int = Field(default=1, ge=1, le=1024)
    max_failures: Amount = 3
    resize_every_s: NonNegative = 60.0
    grace_s: Positive = 60.0

    @property
    def most_workers(self) -> int:
        """The largest number of workers that the run may have."""
        return self.workers if self.max_workers is None else self.max_workers

    @model_validator(mode="after")
    def _range_of_workers(self) -> Self:
        if self.max_workers is not None and not 1 <= self.workers <= self.max_workers:
            raise ValueError(
                f"workers {self.workers} to {self.max_workers} is no range: begin at 1, and end"
                " no lower"
            )
        return self


class CheckpointConfig(_Config):
    """How often the whole state is written, and what is kept.

    Attributes:
        every_steps: optimiser steps between two checkpoints.
        every_s: seconds after which one is written though `every_steps` are not over; None: never.
        keep: how many of the latest are kept.
        keep_best: whether the one with the best evaluation is kept as well.
        patience_s: seconds for which the end of a run waits for a storage that refuses.
    """

    every_steps: Count = 200
    every_s: Positive | None = None
    keep: Count = 2
    keep_best: bool = True
    patience_s: NonNegative = 120.0


class Recipe(_Config):
    """A whole run: model, data, task, optimiser, schedule, precision, scaling.

    Attributes:
        name: of the recipe.
        registered_name: the model's name in the registry; None registers nothing.
        batch_size: the global batch, which the workers split between them.
        epochs: passes over the training split; may be a fraction.
        evaluate_every_epochs: passes between two evaluations; the end always has one.
        precision: ``bf16`` runs the network under autocast, and weights stay float32; ``fp64``
            is float64 throughout, to compare runs that differ in nothing but rounding.
        channels_last: memory format of images or clips, and of weights.
        compile: whether `torch.compile` translates the network; it costs the first steps, and
            wants a C++ compiler on every worker.
        clip_norm: limit on the gradient's L2 norm, or None.
        accumulate: parts into which a worker's share of a batch is cut to save memory.
        ema_decay: decay of the averaged weights that are evaluated and bundled, or None.
        on_nan: what a step whose loss or gradient is not finite does: ``stop`` ends the run,
            ``skip`` leaves weights and momenta as they are and goes on. Either way the batch's
            sample ids are kept in the run's folder.
        seed: of weights, order and distortions.
        report_every: steps between two reports; each reports every step's loss.
    """

    name: str
    registered_name: str | None = None
    model: ModelConfig
    data: DataConfig
    task: TaskConfig = TaskConfig()
    optimizer: OptimizerConfig
    schedule: ScheduleConfig = ScheduleConfig()
    scaling: ScalingConfig = ScalingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    batch_size: int = Field(ge=1, le=2**20)
    epochs: float = Field(gt=0, le=1e6, allow_inf_nan=False)
    evaluate_every_epochs: Count = 5
    precision: Literal["fp32", "bf16", "fp64"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    clip_norm: Positive | None = None
    accumulate: Count = 1
    ema_decay: _Inside | None = None
    on_nan: Literal["stop", "skip"] = "stop"
    seed: Seed = 0
    report_every: Count = 10

    @model_validator(mode="after")
    def _workers_have_work(self) -> Self:
        if self.batch_size < self.scaling.most_workers:
            raise ValueError(
                f"batch_size {self.batch_size} leaves some of the"
                f" {self.scaling.most_workers} workers without a sample"
            )
        return self
