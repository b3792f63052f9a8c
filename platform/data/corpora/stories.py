"""Stories of the paper's simulated world, written in bAbI's layout; see `story_world`."""

from pathlib import Path

from striate.core.errors import UsageError
from striate.core.files import explain_full_disk
from striate.data.corpora.babi import ENDING
from striate.data.corpora.story_world import tell_story

DEFAULT_STORIES = 500
TASKS = {
    "qa1_actor-1": (False, 1),
    "qa2_actor-5": (False, 5),
    "qa3_object-1": (True, 1),
    "qa4_object-5": (True, 5),
}
"""Task → whether objects are asked after as well as characters, and the difficulty."""

_LEAST = 10
_KEY = 21


def write_stories(target: Path, size: int = DEFAULT_STORIES) -> None:
    """Write the files of each task to the folder `target`, new or empty.

    Args:
        target: the folder.
        size: stories of each file; the default has the paper's numbers of statements and questions.

    Raises:
        UsageError: less than 10.
        PlatformError: the disk is full.
    """
    if size < _LEAST:
        raise UsageError(f"{size} stories are too few.", f"Give at least {_LEAST}.")
    target.mkdir(parents=True, exist_ok=True)
    with explain_full_disk(target):
        for number, (task, how) in enumerate(TASKS.items()):
            for held_out, part in enumerate(("train", "test")):
                keys = ((_KEY, number, held_out, story) for story in range(size))
                text = "".join(tell_story(key, *how) for key in keys)
                (target / f"{task}_{part}{ENDING}").write_text(text, encoding="utf-8")
