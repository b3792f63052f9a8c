"""A recipe on a folder of one's own images."""

from own_model.network import SIDE
from striate.train.config import DataConfig, ModelConfig, OptimizerConfig, Recipe


def own_images() -> Recipe:
    """`OwnNet` on images in class folders.

    Command: ``striate train own-images data.shards=SHARDS model.arguments.classes=N``. Expected:
    0.9 held-out top-1 or more on three kinds of patterns, in seconds of one core.
    """
    return Recipe(
        name="own-images",
        registered_name="own-images",
        model=ModelConfig(name="own_net", arguments={"classes": 3}),
        data=DataConfig(
            corpus="images",
            pipeline="imagenet-train",
            pipeline_arguments={"size": SIDE, "area": [0.5, 1.0], "flip": False},
        ),
        optimizer=OptimizerConfig(name="adamw", lr=3e-3, weight_decay=1e-3),
        batch_size=32,
        epochs=12,
    )
