"""The colours of a generated face, by place, before any light falls on it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.corpora.face_person import DrawnPerson, Look
from striate.data.corpora.face_surface import (
    Points,
    Values,
    brow_line,
    bump,
    eye_lids,
    eye_line,
    lip_lines,
    mouth_half_width,
    smooth,
)

_SHARP = 0.008
"""Width of an edge, in u."""


class Paint(NamedTuple):
    """What a surface looks like, by point.

    Attributes:
        colour: (…, 3) red, green and blue.
        gloss: (…) strength of the highlight.
        hair: (…) 1 where hair covers the skin.
    """

    colour: Points
    gloss: Values
    hair: Values


def paint(directions: Points, person: DrawnPerson, look: Look) -> Paint:
    """The colours at (…, 3) unit directions from the head's middle."""
    front, hair = directions[..., 2], hair_cover(directions, person)
    colour = np.empty(directions.shape, np.float32)
    colour[:] = person.skin
    gloss = np.full(front.shape, 0.1, np.float32)
    bare = (front > 0) & (hair < 1)  # elsewhere there are no features, or none to be seen
    colour[bare], gloss[bare] = _features(directions[bare], person, look)
    streaks = 0.72 + 0.4 * _streaks(directions, person)
    colour = _blend(colour, person.hair * streaks[..., None], hair)
    return Paint(colour, gloss * (1 - hair) + 0.16 * hair, hair)


def _features(directions: Points, person: DrawnPerson, look: Look) -> tuple[Points, Values]:
    """Colour and gloss of (n, 3) directions to the front, hair left out."""
    u, v = directions[..., 0], directions[..., 1]
    faces = smooth(directions[..., 2], 0.0, 0.2)
    colour = _skin(u, v, faces, person)
    colour = _blend(colour, person.hair * 0.9, _stubble(u, v, faces, person, look))
    gloss = np.full_like(u, 0.1)
    colour = _mouth(colour, u, v, faces, person, look)
    for side in (-1, 1):
        across = side * u - person.eye_u
        colour, gloss = _eye(colour, gloss, across, u, v, faces, person, look, side)
        colour = _brow(colour, across, v, faces, person, look)
    return colour, gloss


def hair_cover(directions: Points, person: DrawnPerson) -> Values:
    """1 where hair grows: above the line, and behind the ears."""
    if not person.hair_thick:
        return np.zeros(directions.shape[:-1])
    u, v, front = directions[..., 0], directions[..., 1], directions[..., 2]
    drop = person.hair_peak * np.exp(-(((u - 0.3 * person.parting) / 0.3) ** 2))
    top = person.hair_line + drop + 0.75 * np.clip(np.abs(u) - 0.5, 0, 1) ** 1.3
    wavy = 0.01 * (np.sin(31 * u + 9 * person.parting) + np.sin(19 * u))
    above = 1 - smooth(v, top + wavy - 0.05, top + wavy + 0.03)
    ears = 0.05 + 0.5 * person.hair_long
    behind = (1 - smooth(front, -0.12, 0.16)) * (1 - smooth(v, ears + 0.4, ears + 0.6))
    temples = smooth(np.abs(u), 0.83, 0.93) * (1 - smooth(v, ears - 0.25, ears))
    return np.maximum(np.maximum(above, behind), temples)


def _skin(u: Values, v: Values, faces: Values, person: DrawnPerson) -> Points:
    """Skin with redder cheeks and nose, darker sockets, and marks."""
    dark = np.zeros_like(u)
    for across, along, radius, depth in person.blotches.tolist():
        dark += (depth * 2.2 if radius < 0.05 else depth) * bump(
            u - across, v - along, radius, radius
        )
    side = np.abs(u)
    dark += 0.16 * bump(side - person.eye_u, v - person.eye_v, 0.22, 0.12)
    dark += 0.22 * bump(u, v - person.nose_v - 0.085, person.nose_wide * 1.1, 0.035)
    dark += 0.5 * bump(
        side - 0.5 * person.nose_wide, v - person.nose_v - 0.07, 0.3 * person.nose_wide, 0.018
    )
    dark += 0.1 * bump(u, v - person.mouth_v - 0.15, 0.18, 0.04)
    red = bump(side - 0.48, v - 0.24, 0.2, 0.16) + 0.7 * bump(u, v - person.nose_v, 0.12, 0.1)
    tint = np.array([1.03, 0.9, 0.9], np.float32)
    shaded = person.skin.astype(np.float32) * (1 - np.clip(dark, -0.1, 0.7) * faces)[..., None]
    return _blend(shaded, shaded * tint, 0.7 * red * faces)


def _stubble(u: Values, v: Values, faces: Values, person: DrawnPerson, look: Look) -> Values:
    """How far beard and moustache cover the skin."""
    _, upper, lower, middle = lip_lines(u, person, look)
    half = mouth_half_width(person, look)
    edge = 0.3 + 0.5 * np.exp(-((u / 0.42) ** 2)) * (v < person.mouth_v)
    jaw = smooth(v + 0.35 * np.clip(np.abs(u) - 0.45, 0, 1), edge, edge + 0.14)
    jaw = jaw * (1 - (np.abs(u) < half * 1.05) * (v > upper - 0.02) * (v < lower + 0.03))
    above = (1 - smooth(np.abs(u), half * 0.95, half * 1.25)) * (v < middle)
    above = above * smooth(v, person.nose_v + 0.09, person.nose_v + 0.13) * (v < upper)
    grain = 0.8 + 0.2 * np.sin(61 * u + 7 * v) * np.sin(53 * v - 11 * u)
    cover = np.maximum(person.beard * jaw, person.moustache * above)
    covered: Values = cover * grain * faces
    return covered


def _mouth(
    colour: Points, u: Values, v: Values, faces: Values, person: DrawnPerson, look: Look
) -> Points:
    """Lips, and teeth and dark between them."""
    gap, upper, lower, middle = lip_lines(u, person, look)
    within = (np.abs(u) < mouth_half_width(person, look)) * faces
    lips = _between(v, upper, lower) * within
    colour = _blend(colour, person.lips, 0.9 * lips)
    line = np.exp(-(((v - middle) / (0.012 + 0.2 * gap)) ** 2)) * within
    colour = _blend(colour, person.lips * 0.35, 0.75 * line * (gap < 0.012))
    hole = _between(v, middle - gap, middle + gap) * within * (gap > 0.004)
    colour = _blend(colour, np.array([0.2, 0.07, 0.07]), hole)
    teeth = _between(v, middle - gap, middle - 0.25 * gap) * within * (gap > 0.01)
    return _blend(colour, np.array([0.9, 0.88, 0.82]), 0.9 * teeth)


def _eye(
    colour: Points,
    gloss: Values,
    across: Values,
    u: Values,
    v: Values,
    faces: Values,
    person: DrawnPerson,
    look: Look,
    side: int,
) -> tuple[Points, Values]:
    """White, iris, pupil, lid and lashes of one eye."""
    upper, lower = eye_lids(across, person, look)
    line = eye_line(across, person)
    within = (np.abs(across) < person.eye_width) * faces
    opening = _between(v, line - upper, line + lower) * within
    colour = _blend(colour, np.array([0.84, 0.82, 0.79]), opening)
    right = u - side * person.eye_u - 0.06 * look.gaze[0]
    down = v - person.eye_v - 0.03 * look.gaze[1]
    radius = np.sqrt((right * 0.92) ** 2 + down**2)
    iris = (1 - smooth(radius, person.iris - _SHARP, person.iris + _SHARP)) * opening
    rim = 1 - 0.55 * smooth(radius, 0.65 * person.iris, person.iris)
    colour = _blend(colour, person.iris_colour * rim[..., None], iris)
    pupil = 1 - smooth(radius, 0.36 * person.iris, 0.5 * person.iris)
    colour = _blend(colour, np.array([0.03, 0.03, 0.03]), pupil * opening)
    glint = bump(right - 0.02, down + 0.025, 0.014, 0.014)
    colour = _blend(colour, np.ones(3), 0.9 * glint * opening)
    lash = np.exp(-(((v - line + upper + 0.006) / 0.016) ** 2)) * within
    colour = _blend(colour, person.hair * 0.3, 0.85 * lash)
    crease = np.exp(-(((v - line + upper + 0.05) / 0.012) ** 2)) * within
    colour = _blend(colour, person.skin * 0.55, 0.5 * crease)
    under = np.exp(-(((v - line - lower - 0.005) / 0.012) ** 2)) * within
    return _blend(colour, person.skin * 0.5, 0.45 * under), gloss + 0.5 * opening


def _brow(
    colour: Points, across: Values, v: Values, faces: Values, person: DrawnPerson, look: Look
) -> Points:
    part = across / person.eye_width
    within = smooth(part, -1.25, -1.0) * (1 - smooth(part, 1.1, 1.4)) * faces
    thick = person.brow_thick * (1.15 - 0.35 * np.clip(part, -1, 1.4))
    near = np.exp(-((np.abs(v - brow_line(across, person, look)) / (thick + 1e-3)) ** 3))
    return _blend(colour, person.hair * 0.6, 0.9 * near * within)


def _streaks(directions: Points, person: DrawnPerson) -> Values:
    """Strands, from 0 to 1."""
    around = np.arctan2(directions[..., 0] - 0.25 * person.parting, -directions[..., 1])
    bent = 5 * directions[..., 2] + 2 * directions[..., 1]
    waves = np.sin(47 * around + bent) + np.sin(83 * around + 3 * bent + person.parting)
    strands: Values = 0.5 + 0.25 * waves
    return strands


def _between(value: Values, low: Values, high: Values) -> Values:
    """1 between two edges, soft at both; nothing where they meet."""
    inside = smooth(value, low - _SHARP, low + _SHARP) * (
        1 - smooth(value, high - _SHARP, high + _SHARP)
    )
    return inside * (high > low)


def _blend(colour: Points, other: NDArray[np.float64], share: Values) -> Points:
    mixed: Points = colour + share[..., None] * (other.astype(np.float32) - colour)
    return mixed
