"""What the recipes on photographs share: ImageNet's data, and the bundled photographs'."""

from typing import Any

from striate.data.pipelines.images import MEAN
from striate.train.config import DataConfig, ScalingConfig

LEVELS = (1.0, 1.0, 1.0)
"""Standard deviations that leave pixels in levels of 255: a mean is taken off, as in 2012."""

GPUS = ScalingConfig(workers=2, gpu=True, cpus_per_worker=8)
"""Two workers with a GPU each; any other number trains on the same global batches."""


def imagenet(size: int, evaluated_at: int = 256, **arguments: Any) -> DataConfig:
    """ILSVRC2012, trained on random crops and evaluated on the one in the centre.

    Ten crops: ``data.test_pipeline=ten-crop``. At every place of three scales:
    ``data.test_pipeline=dense data.test_pipeline_arguments.shorter=[256,384,512]
    task.evaluation=dense``, or ``fine`` with OverFeat's offsets.

    Args:
        size: height and width of the network's input.
        evaluated_at: the shorter side of the image, in pixels, that the crop in the centre is cut
            from.
        arguments: of the pipeline ``imagenet-train``.
    """
    pixels = {name: arguments[name] for name in ("mean", "std") if name in arguments}
    return DataConfig(
        corpus="imagenet",
        test_split="val",
        pipeline="imagenet-train",
        pipeline_arguments={"size": size, **arguments},
        test_pipeline="imagenet-test",
        test_pipeline_arguments={"size": size, "shorter": [evaluated_at], **pixels},
        threads=8,
    )


def crops_from_256(size: int, **arguments: Any) -> DataConfig:
    """ImageNet as AlexNet saw it: crops from the image at a shorter side of 256, less the mean.

    Flips and noise along the principal components of colour (Krizhevsky et al., NIPS 2012, 4.1).
    """
    usual: dict[str, Any] = {"crop": "jitter", "shorter": [256, 256], "mean": MEAN, "std": LEVELS}
    return imagenet(size, **{**usual, **arguments})


def photos(size: int, **arguments: Any) -> DataConfig:
    """The bundled photographs: 2,880 patches of 18 classes to train, 720 held out.

    Args:
        size: height and width of the network's input.
        arguments: of the pipeline ``imagenet-train``.
    """
    return DataConfig(
        corpus="photos",
        test_split="val",
        pipeline="imagenet-train",
        pipeline_arguments={"size": size, "area": [0.4, 1.0], **arguments},
    )
