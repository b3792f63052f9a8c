"""GoogLeNet with its auxiliary heads."""

from striate.train.config import (
    ModelConfig,
    OptimizerConfig,
    Recipe,
    ScheduleConfig,
    TaskConfig,
)
from striate.train.recipes.images import GPUS, imagenet, photos


def googlenet_imagenet() -> Recipe:
    """GoogLeNet on ImageNet, with what of its training was published.

    Command: ``striate train googlenet-imagenet``. Expected: 10.07 % top-5 error on the validation
    set with one network and one crop; 6.67 % with seven networks and 144 crops (Szegedy et al.,
    CVPR 2015, tables 2 and 3, as recalled). Not trained here.

    Momentum 0.9, the rate 4 % lower every 8 epochs, averaged weights at the end, auxiliary losses
    weighted by 0.3, crops of 8 to 100 % of the area with a shape of 3:4 to 4:3 (sections 5 and 6,
    as recalled). It was trained asynchronously, and neither its first rate, its batch, its decay
    nor its epochs were published: 0.01, 256, 2e-4 and 120 are this recipe's.
    """
    return Recipe(
        name="googlenet-imagenet",
        registered_name="googlenet-imagenet",
        model=ModelConfig(name="googlenet", arguments={"auxiliary": True}),
        data=imagenet(224),
        task=TaskConfig(auxiliary_weight=0.3),
        optimizer=OptimizerConfig(lr=0.01, weight_decay=2e-4, bias_lr=2),
        schedule=ScheduleConfig(name="step", every_epochs=8, factor=0.96),
        scaling=GPUS,
        batch_size=256,
        epochs=120,
        evaluate_every_epochs=2,
        precision="bf16",
        channels_last=True,
        ema_decay=0.9999,
    )


def googlenet_mini() -> Recipe:
    """A quarter of GoogLeNet's width, auxiliary heads and all, on the bundled photographs.

    Command: ``striate train googlenet-mini``. Expected: 0.74 held-out top-1 or more (measured:
    0.783), in about a minute of one core.
    """
    arguments = {"classes": 18, "field": 64, "width": 0.25, "dropout": 0.2, "auxiliary": True}
    return Recipe(
        name="googlenet-mini",
        registered_name="googlenet-mini",
        model=ModelConfig(name="googlenet", arguments=arguments),
        data=photos(64),
        task=TaskConfig(auxiliary_weight=0.3),
        optimizer=OptimizerConfig(lr=0.02, weight_decay=5e-4),
        schedule=ScheduleConfig(warmup_share=0.1),
        batch_size=64,
        epochs=8,
    )
