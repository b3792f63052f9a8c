"""Stories in bAbI's layout: read as published, malformed ones named, and a world that is true."""

import re
from pathlib import Path

import pytest

from striate.core.errors import DataError, UsageError
from striate.data.corpora import CORPORA
from striate.data.corpora.babi import open_babi
from striate.data.corpora.stories import TASKS, write_stories
from striate.data.corpora.story_world import QUESTIONS, STATEMENTS, tell_story
from striate.data.ingest.ingest import ingest
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import OpenCorpus, Sample, Skipped
from striate.data.show.rows import describe_row, draw, rows
from striate.data.storage import Source
from striate.data.transforms.text.stories import (
    SPARE,
    Question,
    Story,
    StoryError,
    number_words,
    parse_story,
    split_stories,
)

pytestmark = pytest.mark.unit

TWO = (
    "1 Mary moved to the bathroom.\n2 John went to the hallway.\n"
    "3 Where is Mary? \tbathroom\t1\n4 Daniel took the milk, and the apple.\n"
    "5 What is Daniel carrying?\tapple,milk\t4\n"
    "1 Sandra is in the park.\n2 Is Sandra in the park?\tYes\t1\n"
)
MARY = ("mary", "moved", "to", "the", "bathroom")


def read(opened: OpenCorpus, split: str) -> list[Sample | Skipped]:
    return list(opened.read(split, 0, len(opened.item_bytes[split])))


def folder_of(path: Path, **files: str) -> Source:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.txt").write_bytes(text.encode())
    return Source.of(path)


def test_the_published_layout_is_read() -> None:
    first, second = (parse_story(text) for text in split_stories(TWO))
    assert first.statements[0] == MARY
    assert first.statements[2] == ("daniel", "took", "the", "milk", "and", "the", "apple")
    assert first.questions == (
        Question(("where", "is", "mary"), "bathroom", (0,), 2),
        Question(("what", "is", "daniel", "carrying"), "apple,milk", (2,), 3),
    )
    assert second == Story(
        (("sandra", "is", "in", "the", "park"),),
        (Question(("is", "sandra", "in", "the", "park"), "yes", (0,), 1),),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 Mary left.\n3 Where is Mary?\tpark\t1\n", "numbered"),
        ("Mary left.\n", "numbered"),
        ("1 Where is Mary?\tpark\t2\n2 Mary left.\n", "not said before"),
        ("1 Mary left.\n2 Where is Mary?\tpark\tx\n", "not said before"),
        ("1 Mary left.\n2 Where is Mary?\tpark\n", "without an answer"),
        ("1 Mary left.\n2 Where is Mary?\t \t1\n", "without an answer"),
        ("1 ...\n", "without words"),
    ],
)
def test_a_malformed_story_is_skipped_by_its_reason(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(StoryError, match=reason):
        parse_story(text)
    opened = open_babi(folder_of(tmp_path, qa1_x_train=text + TWO, qa1_x_test=TWO))
    bad, *good = read(opened, "qa1_x_train")
    assert isinstance(bad, Skipped) and reason in bad.reason and bad.key == "qa1_x_train/1"
    assert [one.fields["units"] for one in good if isinstance(one, Sample)] == [2, 1]


def test_words_are_numbered_by_the_training_files_alone(tmp_path: Path) -> None:
    held_out = TWO.replace("Mary", "Bilbo").replace("\n", "\r\n")
    opened = open_babi(folder_of(tmp_path, qa1_x_train=TWO, qa1_x_test=held_out, readme="hello"))
    known = opened.labels[: len(opened.labels) - SPARE]
    assert list(known) == sorted(known) and "bathroom" in known and "apple,milk" in known
    assert "bilbo" not in known and set(opened.item_bytes) == {"qa1_x_train", "qa1_x_test"}
    (mary, _), (bilbo, _) = (read(opened, f"qa1_x_{part}") for part in ("train", "test"))
    assert isinstance(mary, Sample) and isinstance(bilbo, Sample)
    assert bilbo.payload == mary.payload.replace(b"Mary", b"Bilbo")
    old, new = mary.fields["numbers"], bilbo.fields["numbers"]
    assert isinstance(old, list) and isinstance(new, list)
    assert old[0] == known.index("mary") + 1 and new[0] == len(known) + 1
    changed = {(a, b) for a, b in zip(old, new, strict=True) if a != b}
    assert changed == {(old[0], new[0])}


def test_a_story_of_too_many_unknown_words_is_named(tmp_path: Path) -> None:
    names = [f"x{number}" for number in range(SPARE + 1)]
    assert number_words(names, ["a", *["?"] * SPARE]).tolist() == [*range(2, SPARE + 2), 0]
    long = "".join(f"{at} {name} left.\n" for at, name in enumerate(names, 1))
    long += f"{len(names) + 1} Where is x0?\tpark\t1\n"
    none = "1 Mary left.\n"
    opened = open_babi(folder_of(tmp_path, qa1_x_train=TWO, qa1_x_test=long + none))
    reasons = [one.reason for one in read(opened, "qa1_x_test") if isinstance(one, Skipped)]
    assert ["room" in reasons[0], "without a question" in reasons[1]] == [True, True]


def test_a_folder_without_such_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="qa1_single-supporting-fact_train"):
        open_babi(folder_of(tmp_path, qa1_x_test=TWO))
    with pytest.raises(UsageError, match="9 stories"):
        write_stories(tmp_path / "new", 9)


@pytest.mark.parametrize("task", TASKS)
def test_the_world_is_true_and_as_difficult_as_it_says(task: str) -> None:
    """Whoever follows the statements gives the answers, and the supports say enough for that."""
    objects, difficulty = TASKS[task]
    kinds, backs = set(), set()
    for number in range(40):
        text = tell_story((5, number), objects, difficulty)
        assert text == tell_story((5, number), objects, difficulty)
        story = parse_story(text)
        assert (len(story.statements), len(story.questions)) == (STATEMENTS, QUESTIONS)
        for asked in story.questions:
            told = story.statements[: asked.said]
            assert follow(told, asked.words) == asked.answer
            assert follow([told[at] for at in sorted(asked.supports)], asked.words) == asked.answer
            subject = asked.words[3 if asked.words[2] == "the" else 2]
            back = next(b for b in range(1, len(told) + 1) if subject in told[-b])
            backs.add(back)
            kinds.add("before" if "before" in asked.words else asked.words[2] == "the")
    assert max(backs) == difficulty and min(backs) == 1
    assert kinds == {"before", False, *([True] if objects else [])}


def follow(
    told: list[tuple[str, ...]] | tuple[tuple[str, ...], ...], asked: tuple[str, ...]
) -> str:
    """The answer of somebody who keeps in mind where everyone went and who holds what."""
    been: dict[str, list[str]] = {}
    holder: dict[str, str] = {}
    lies: dict[str, str] = {}
    for who, *rest in told:
        said = " ".join(rest).removesuffix(" there").removesuffix(" now")
        verb, thing = re.split(r" (?:the )?(?=\S+$)", said)
        if verb.endswith(" to"):
            been.setdefault(who, []).append(thing)
        elif verb in ("dropped", "left", "put down"):
            holder.pop(thing, None)
            lies[thing] = been[who][-1] if who in been else "?"
        else:
            holder[thing] = who
    if "before" in asked:
        rooms = been[asked[2]]
        last = max(at for at, room in enumerate(rooms) if room == asked[-1])
        return rooms[last - 1]
    subject = asked[3] if asked[2] == "the" else asked[2]
    if subject in been:
        return been[subject][-1]
    return been[holder[subject]][-1] if subject in holder else lies[subject]


def test_generated_stories_go_into_shards_and_can_be_looked_at(tmp_path: Path) -> None:
    ingest("stories", tmp_path / "source", tmp_path / "shards", workers=1, size=10)
    manifest = Manifest.load(tmp_path / "shards")
    assert manifest.splits == {f"{task}_{part}": 10 for task in TASKS for part in ("test", "train")}
    assert all(entry.units == 10 * QUESTIONS for entry in manifest.shards)
    assert CORPORA["stories"].open(Source.of(tmp_path / "source")).labels == manifest.labels
    folder = ShardFolder.of(tmp_path / "shards")
    (row,) = rows(folder, "qa4_object-5_test", 3, 1)
    described = describe_row(row, manifest)
    assert (described["key"], described["label"]) == ("qa4_object-5_test/4", "")
    assert draw(folder, "qa4_object-5_test", None, tmp_path / "a.png") == 4
