"""States of speech, frame by frame."""

from striate.train.config import (
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    ScheduleConfig,
    TaskConfig,
)
from striate.train.recipes.images import GPUS

_WHILE_SAID = {"normalisation": "running"}
"""Features that are known before the speaker has ended."""


def speech_states() -> Recipe:
    """The speech ConvNet on LibriSpeech with aligned states: a proposal.

    Command: ``striate train speech-states model.arguments.classes=N``, N being the states of your
    alignments. Expected: nothing was published of this network but its size (LeCun, "Deep learning
    & convolutional networks", 2015). Not trained here.

    Windows of 40 frames of 40 log-mel energies, cross-entropy on a state a frame, the rate halved
    when the frame accuracy stops rising ("newbob", as recalled of hybrid systems of that time).
    The batch, the rates and the epochs are this recipe's. The bundle holds how often each state
    came, by which a decoder divides the posteriors.
    """
    return Recipe(
        name="speech-states",
        registered_name="speech-states",
        model=ModelConfig(name="speech_convnet", arguments={"classes": 3000}),
        data=DataConfig(
            corpus="librispeech",
            test_split="dev-clean",
            pipeline="speech-frames",
            pipeline_arguments=_WHILE_SAID,
            threads=8,
        ),
        task=TaskConfig(name="frames"),
        optimizer=OptimizerConfig(lr=0.02, weight_decay=1e-5),
        schedule=ScheduleConfig(name="plateau", factor=0.5, patience=1, final_share=1e-3),
        scaling=GPUS,
        batch_size=512,
        epochs=12,
        evaluate_every_epochs=1,
        precision="bf16",
        channels_last=True,
    )


def speech_mini() -> Recipe:
    """An eighth of the speech ConvNet's width on generated speech, 63 phones.

    Command: ``striate train speech-mini``. Expected: 0.74 held-out frame accuracy or more, of
    speakers that were not trained on (measured: 0.766), in about 30 seconds of one core.
    """
    return Recipe(
        name="speech-mini",
        registered_name="speech-mini",
        model=ModelConfig(
            name="speech_convnet", arguments={"classes": 63, "width": 0.125, "dropout": 0.1}
        ),
        data=DataConfig(corpus="speech", pipeline="speech-frames"),
        task=TaskConfig(name="frames"),
        optimizer=OptimizerConfig(lr=0.05, weight_decay=1e-5),
        schedule=ScheduleConfig(warmup_share=0.1),
        batch_size=256,
        epochs=2,
    )


def speech_states_mini() -> Recipe:
    """An eighth of the speech ConvNet's width on generated speech, three states a phone.

    Command: ``striate train speech-states-mini``. Expected: a word error rate below 0.15 of
    speakers that were not trained on (`striate.train.speech.word_error_rate`; measured: 0.033 of
    368 words, the median of five seeds, the worst 0.038), in about two minutes of one core.
    """
    return Recipe(
        name="speech-states-mini",
        registered_name="speech-states-mini",
        model=ModelConfig(
            name="speech_convnet", arguments={"classes": 189, "width": 0.125, "dropout": 0.1}
        ),
        data=DataConfig(
            corpus="speech-states", pipeline="speech-frames", pipeline_arguments=_WHILE_SAID
        ),
        task=TaskConfig(name="frames"),
        optimizer=OptimizerConfig(lr=0.05, weight_decay=1e-5),
        schedule=ScheduleConfig(warmup_share=0.1),
        batch_size=256,
        epochs=3,
    )
