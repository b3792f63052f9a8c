"""A world of characters, rooms and objects, told as it happens: stories that are made here.

After Weston, Chopra, Bordes, "Memory networks", ICLR 2015, section 5.2, as recalled: four
characters, five rooms, three objects; who goes, gets and drops what is told in several wordings.
Asked is where a character or an object is, and where a character was before. The difficulty is how
many statements back the last mention of who or what is asked after may lie. The names, the wordings
and where in a story questions stand are this module's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

CHARACTERS = ("Joe", "Fred", "Ann", "Mary")
ROOMS = ("the kitchen", "the office", "the garden", "the bathroom", "school")
OBJECTS = ("the milk", "the apple", "the football")
STATEMENTS, QUESTIONS = 14, 6
"""Of each story: 500 of them have the paper's 7,000 statements and 3,000 questions."""

_GO = ("went to", "travelled to", "journeyed to", "moved to", "went back to")
_GET = ("got", "took", "picked up", "grabbed")
_DROP = ("dropped", "left", "put down")
_THERE, _NOW, _ASK_OBJECT, _ASK_BEFORE = 0.3, 0.5, 0.5, 0.4
_FIRST_QUESTION = 3


@dataclass(frozen=True)
class _Event:
    """A statement: who did what, and where or with what."""

    who: str
    act: str
    what: str


@dataclass
class _World:
    """Where everyone and everything is, and all that was told."""

    rng: np.random.Generator
    told: list[_Event] = field(default_factory=list)
    at: dict[str, str] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)

    def choose(self, among: Sequence[str]) -> str:
        return among[int(self.rng.integers(len(among)))]

    def step(self) -> _Event:
        """Someone does something; nobody acts before it was told where they are."""
        who = self.choose(CHARACTERS)
        held = [one for one in OBJECTS if self.holder.get(one) == who]
        lying = [one for one in OBJECTS if one not in self.holder and self._is_here(one, who)]
        acts = ["go", *(["get"] if lying else []), *(["drop"] if held else [])]
        act = self.choose(acts) if who in self.at else "go"
        if act == "go":
            event = _Event(who, act, self.choose([r for r in ROOMS if r != self.at.get(who)]))
            self.at[who] = event.what
        elif act == "get":
            event = _Event(who, act, self.choose(lying))
            self.holder[event.what] = who
        else:
            event = _Event(who, act, self.choose(held))
            del self.holder[event.what]
            self.at[event.what] = self.at[who]
        self.told.append(event)
        return event

    def _is_here(self, thing: str, who: str) -> bool:
        """Whether someone may find an object: it lies here, or nobody told yet where it lies."""
        return thing not in self.at or self.at[thing] == self.at.get(who)


@dataclass(frozen=True)
class _Asked:
    text: str
    answer: str
    supports: tuple[int, ...]


def tell_story(key: Sequence[int], objects: bool, difficulty: int) -> str:
    """A story in bAbI's layout, always the same one for a key.

    Args:
        key: whole numbers from 0 that name it.
        objects: whether objects are asked after as well as characters.
        difficulty: statements back that the last mention of who is asked after lies at most.
    """
    world = _World(np.random.default_rng(list(key)))
    moments = world.rng.permutation(np.arange(_FIRST_QUESTION, STATEMENTS + 1))[:QUESTIONS]
    asked_after = set(moments.tolist())
    lines: list[str] = []
    places: dict[int, int] = {}  # statement → number of its line
    for statement in range(STATEMENTS):
        lines.append(f"{len(lines) + 1} {_say(world, world.step())}")
        places[statement] = len(lines)
        if statement + 1 in asked_after:
            asked = _ask(world, objects, difficulty)
            lines_of = " ".join(str(places[one]) for one in asked.supports)
            lines.append(f"{len(lines) + 1} {asked.text}\t{asked.answer}\t{lines_of}")
    return "".join(f"{line}\n" for line in lines)


def _say(world: _World, event: _Event) -> str:
    verb = world.choose({"go": _GO, "get": _GET, "drop": _DROP}[event.act])
    there = " there" if event.act != "go" and world.rng.random() < _THERE else ""
    return f"{event.who} {verb} {event.what}{there}."


def _ask(world: _World, objects: bool, difficulty: int) -> _Asked:
    """A question whose subject was last mentioned so many statements back, or fewer."""
    last = len(world.told)
    oldest = max(0, last - int(world.rng.integers(1, difficulty + 1)))
    recent = range(oldest, last)
    event = world.told[oldest]
    things = [world.told[i].what for i in recent if world.told[i].act != "go"]
    if objects and things and world.rng.random() < _ASK_OBJECT:
        return _ask_object(world, world.choose(things))
    later = {world.told[i].who for i in range(oldest + 1, last)}
    who = event.who if event.who not in later else world.choose(sorted(later))
    return _ask_character(world, who)


def _ask_object(world: _World, thing: str) -> _Asked:
    """Its latest statement, then the one that says where who has it is, or was when it fell."""
    found = _latest(world, lambda one: one.act != "go" and one.what == thing)
    event = world.told[found]
    end = found if event.act == "drop" else len(world.told)
    moved = _latest(world, lambda one: one.act == "go" and one.who == event.who, end)
    return _Asked(f"Where is {thing}{_now(world)}?", _word(world.told[moved]), (found, moved))


def _ask_character(world: _World, who: str) -> _Asked:
    moves = [i for i, one in enumerate(world.told) if one.act == "go" and one.who == who]
    if len(moves) == 1 or world.rng.random() >= _ASK_BEFORE:
        return _Asked(f"Where is {who}{_now(world)}?", _word(world.told[moves[-1]]), (moves[-1],))
    at = len(moves) - 1 - int(world.rng.integers(min(2, len(moves) - 1)))
    room = world.told[moves[at]].what
    at = max(i for i, move in enumerate(moves) if world.told[move].what == room)
    before = moves[at - 1]
    text = f"Where was {who} before {room}?"
    return _Asked(text, _word(world.told[before]), (moves[at], before))


def _latest(world: _World, fits: Callable[[_Event], bool], end: int | None = None) -> int:
    """The latest statement that fits, of those before `end`."""
    return max(i for i, one in enumerate(world.told[:end]) if fits(one))


def _now(world: _World) -> str:
    return " now" if world.rng.random() < _NOW else ""


def _word(event: _Event) -> str:
    """The word that answers a question about a place."""
    return event.what.removeprefix("the ")
