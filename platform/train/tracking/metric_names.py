"""Metrics as people say them."""

_WORDS = {
    "train/loss": "training loss",
    "top1": "top-1",
    "top5": "top-5",
    "clip_hit1": "clip hit@1",
    "video_hit1": "video hit@1",
    "video_hit5": "video hit@5",
    "auc": "area under the ROC curve",
    "equal_error": "equal error rate",
    "class_accuracy": "mean class accuracy",
    "mean_iou": "mean intersection over union",
}


def display_name(metric: str) -> str:
    """A metric's name in words.

    >>> display_name("test/video_hit1"), display_name("frame_accuracy")
    ('video hit@1', 'frame accuracy')
    """
    name = metric.removeprefix("test/")
    return _WORDS.get(name, name.replace("_", " "))


LOSS = "train/loss"


RATE = "train/learning_rate"


THROUGHPUT = "train/samples_per_s"


WAIT_SHARE = "train/data_wait_share"


DAMAGED = "train/damaged_samples"


SKIPPED = "train/skipped_steps"
