"""The surface of a generated head: directions from its middle to points, and its landmarks.

A head is a sphere that is stretched, narrowed towards the chin, and pushed forward and back where
features are. x goes to the right of the picture, y down and z towards the viewer.
"""

import numpy as np
from numpy.typing import NDArray

from striate.data.corpora.face_person import DrawnPerson, Look

Points = NDArray[np.floating]
"""(…, 3)."""

Values = NDArray[np.floating]


def surface(directions: Points, person: DrawnPerson, look: Look) -> Points:
    """(…, 3) unit directions → (…, 3) points of the skin, hair left out."""
    u, v, front = directions[..., 0], directions[..., 1], directions[..., 2]
    low = np.clip(v, 0, 1)
    narrow = 1 - person.jaw * low**person.jaw_square - 0.1 * np.clip(-v, 0, 1) ** 2
    x = person.width * u * narrow
    y = v + 0.06 * look.open_mouth * smooth(v, person.mouth_v, person.mouth_v + 0.25)
    z = person.depth * np.where(front > 0, 0.96 * np.abs(front) ** 0.82, -0.98 * np.abs(front))
    ahead = front > 0  # features are in front, and dear to compute
    z[ahead] += _relief(u[ahead], v[ahead], person, look) * smooth(front[ahead], 0.0, 0.35)
    return np.stack([x, y, z], -1)


def _relief(u: Values, v: Values, person: DrawnPerson, look: Look) -> Values:
    """How far features stand out to the front, by place."""
    side = np.abs(u)
    eyes = bump(side - person.eye_u, v - person.eye_v, 0.17, 0.1)
    balls = bump(side - person.eye_u, v - person.eye_v, 0.09, 0.06)
    brow = bump(side - person.eye_u * 0.9, v - person.eye_v + person.brow_gap, 0.24, 0.07)
    cheeks = bump(side - 0.5, v - 0.16 + 0.03 * look.smile, 0.2, 0.17)
    hollow = bump(side - 0.52, v - 0.5, 0.2, 0.2)
    mound = bump(u, v - person.mouth_v, 0.3, 0.2)
    _, upper, lower, middle = lip_lines(u, person, look)
    inside = np.clip(1 - (u / mouth_half_width(person, look)) ** 2, 0, 1)
    lips = inside * (
        0.035 * np.exp(-(((v - (upper + middle) / 2) / (0.8 * person.lip_upper + 0.005)) ** 2))
        + 0.045 * np.exp(-(((v - (lower + middle) / 2) / (0.8 * person.lip_lower + 0.005)) ** 2))
    )
    chin = bump(u, v - 0.84, 0.24, 0.14)
    fold = bump(u, v - person.mouth_v - 0.17, 0.2, 0.05)
    relief: Values = (
        -person.socket * eyes
        + 0.035 * balls
        + person.brow_ridge * brow
        + person.cheeks * (1 + 0.4 * look.smile) * cheeks
        - 0.05 * hollow
        + 0.07 * mound
        + lips
        + person.chin * chin
        - 0.03 * fold
        + _nose(u, v, person)
    )
    return relief


def _nose(u: Values, v: Values, person: DrawnPerson) -> Values:
    """A ridge that rises to the tip, and falls steeply below it; wings beside."""
    along = np.clip((v - (person.nose_v - person.nose_long)) / person.nose_long, 0, 1.4)
    rise = along**1.35 + person.nose_hook * 8 * along * (1 - along)
    fall = 1 - smooth(v, person.nose_v + 0.005, person.nose_v + 0.095)
    wide = person.nose_wide * (0.55 + 0.35 * along)
    ridge = person.nose_high * rise * fall * np.exp(-((u / wide) ** 2))
    side = np.abs(u) - person.nose_wide * 0.95
    wings = 0.3 * person.nose_high * bump(side, v - person.nose_v - 0.015, 0.055, 0.055)
    nose: Values = ridge + wings
    return nose


def mouth_half_width(person: DrawnPerson, look: Look) -> float:
    """Of the mouth's opening, in u."""
    return person.mouth_wide * (1 + 0.22 * look.smile - 0.12 * look.open_mouth)


def lip_lines(u: Values, person: DrawnPerson, look: Look) -> tuple[Values, Values, Values, Values]:
    """v of the mouth's opening below the upper lip, of the lips' outer edges, and of its middle.

    Returns:
        The gap's half height, the upper lip's upper edge, the lower lip's lower edge, the middle.
    """
    part = np.clip(np.abs(u) / mouth_half_width(person, look), 0, 1)
    round_ = np.sqrt(1 - part**2)
    middle = person.mouth_v - 0.075 * look.smile * part**2 + 0.03 * look.open_mouth
    gap = 0.085 * look.open_mouth * round_
    bow = 1 - 0.35 * np.exp(-((part / 0.16) ** 2))
    upper = middle - gap - person.lip_upper * bow * round_ * (1 - 0.15 * look.smile)
    lower = middle + gap + person.lip_lower * round_**1.5
    return gap, upper, lower, middle


def eye_lids(across: Values, person: DrawnPerson, look: Look) -> tuple[Values, Values]:
    """How far the upper lid is above, and the lower one below, the line between an eye's corners.

    Args:
        across: from the eye's middle, positive away from the nose, in u.
        person, look: whose.
    """
    part = np.clip(np.abs(across / person.eye_width), 0, 1)
    height = person.eye_height * (1 - 0.92 * look.closed_eyes) * (1 + 0.15 * look.brows_up)
    return height * (1 - part**2.2), 0.72 * height * (1 - part**2)


def eye_line(across: Values, person: DrawnPerson) -> Values:
    """v of the line between an eye's corners."""
    return person.eye_v - person.eye_slant * across


def brow_line(across: Values, person: DrawnPerson, look: Look) -> Values:
    """v of a brow's middle; `across` as in `eye_lids`, from −1.2 to 1.3 of the eye's width."""
    part = across / person.eye_width
    arch = person.brow_arch * (1 - ((part - 0.25) / 1.3) ** 2)
    lifted = person.brow_gap + 0.05 * look.brows_up
    return person.eye_v - lifted - arch - person.brow_slant * across


def landmark_places(person: DrawnPerson, look: Look) -> Values:
    """(67, 2) places (u, v): 17 of the outline, 10 brows, 9 nose, 12 eyes, 12 lips, 7 inner lips.

    The order is that of the picture: outline from the left ear over the chin to the right one;
    each other part from the left, the upper edge before the lower.
    """
    half = mouth_half_width(person, look)
    parts = [_outline(), _brows(person, look), _of_nose(person), _eyes(person, look)]
    outer = np.linspace(-1, 1, 7) * half
    _, upper, lower, _ = lip_lines(outer, person, look)
    parts += [np.stack([outer, upper], 1), np.stack([outer, lower], 1)[5:0:-1]]
    inner = np.linspace(-0.8, 0.8, 5) * half
    gap, _, _, middle = lip_lines(inner, person, look)
    parts += [np.stack([inner, middle - gap], 1)]
    parts += [np.stack([inner, middle + gap], 1)[[3, 1]]]
    return np.concatenate(parts)


def to_directions(places: Values) -> Points:
    """(…, 2) places (u, v) → (…, 3) unit directions to the front."""
    squares = np.clip(1 - (places**2).sum(-1), 1e-4, None)
    return np.concatenate([places, np.sqrt(squares)[..., None]], -1)


def _outline() -> Values:
    angle = np.linspace(0, np.pi, 17)
    return np.stack([-np.cos(angle) * 0.9, 0.05 + np.sin(angle) * 0.86], 1) * 0.98


def _brows(person: DrawnPerson, look: Look) -> Values:
    across = np.linspace(1.25, -1.05, 5) * person.eye_width
    line = brow_line(across, person, look)
    left = np.stack([-(person.eye_u + across), line], 1)
    return np.concatenate([left, left[::-1] * [-1, 1]])


def _of_nose(person: DrawnPerson) -> Values:
    down = np.linspace(person.nose_v - 0.85 * person.nose_long, person.nose_v, 4)
    wide = person.nose_wide
    base = np.stack(
        [np.array([-1.2, -0.6, 0, 0.6, 1.2]) * wide, np.full(5, person.nose_v + 0.07)], 1
    )
    return np.concatenate([np.stack([np.zeros(4), down], 1), base])


def _eyes(person: DrawnPerson, look: Look) -> Values:
    across = np.array([1.0, 0.35, -0.35, -1.0, -0.35, 0.35]) * person.eye_width
    upper, lower = eye_lids(across, person, look)
    line = eye_line(across, person) + np.where([1, 1, 1, 1, 0, 0], -upper, lower)
    left = np.stack([-(person.eye_u + across), line], 1)
    return np.concatenate([left, left[[3, 2, 1, 0, 5, 4]] * [-1, 1]])


def bump(across: Values, along: Values, wide: float, high: float) -> Values:
    return np.exp(-((across / wide) ** 2) - (along / high) ** 2)


def smooth(value: Values, low: Values | float, high: Values | float) -> Values:
    """0 below `low`, 1 above `high`, smooth between."""
    part = np.clip((value - low) / (high - low), 0, 1)
    eased: Values = part * part * (3 - 2 * part)
    return eased
