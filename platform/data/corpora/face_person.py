"""Generated people: what makes a face that of one person, and what differs between its pictures.

Lengths are in parts of a head's half height, angles in radians. Positions (u, v) are those of the
front of the head seen from straight ahead, u to the right of the picture and v downwards, both
from −1 to 1. Nothing here is measured on anybody: the ranges are this file's, chosen to look like
people.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float64]
"""(3,) red, green, blue, from 0 to 1."""

_SKINS = np.array(
    [
        [0.98, 0.82, 0.71],
        [0.93, 0.73, 0.58],
        [0.82, 0.61, 0.45],
        [0.62, 0.43, 0.31],
        [0.4, 0.27, 0.2],
    ]
)
_HAIRS = np.array(
    [
        *([0.08, 0.06, 0.05], [0.25, 0.15, 0.08], [0.42, 0.27, 0.13]),
        *([0.72, 0.55, 0.3], [0.55, 0.2, 0.09], [0.62, 0.6, 0.58]),
    ]
)
_IRISES = np.array([[0.24, 0.13, 0.06], [0.35, 0.45, 0.3], [0.3, 0.46, 0.62], [0.42, 0.31, 0.14]])
_BLOTCHES = 14


@dataclass(frozen=True)
class DrawnPerson:
    """One person; see `draw_person` for the ranges.

    Attributes:
        width, depth: of the head.
        jaw: how far the head narrows towards the chin; `jaw_square`: how late.
        chin, cheeks, brow_ridge: how far each stands out.
        eye_u, eye_v: place of the right eye in the picture; the left one mirrors it.
        eye_width, eye_height, eye_slant: of the opening; `socket`: how deep it lies.
        iris: its radius.
        brow_gap: above the eye; `brow_thick`, `brow_arch`, `brow_slant`: its shape.
        nose_v: where the tip is; `nose_long`, `nose_high`, `nose_wide`, `nose_hook`: its shape.
        mouth_v, mouth_wide, lip_upper, lip_lower: of the mouth.
        ear: size of the ears, `ear_out` how far they stand off.
        hair_line: v of its middle; `hair_peak`: how much lower that is than the sides.
        hair_thick: how far hair stands off; 0 for none. `hair_long`: how far down it hangs.
        parting: side of it.
        beard, moustache: from 0, none.
        skin, hair, iris_colour, lips, cloth: colours.
        glasses: whether there are any; `glasses_round` and `glasses_size`: their shape.
        blotches: (n, 4): u, v, radius and darkness of marks on the skin.
    """

    width: float
    depth: float
    jaw: float
    jaw_square: float
    chin: float
    cheeks: float
    brow_ridge: float
    eye_u: float
    eye_v: float
    eye_width: float
    eye_height: float
    eye_slant: float
    socket: float
    iris: float
    brow_gap: float
    brow_thick: float
    brow_arch: float
    brow_slant: float
    nose_v: float
    nose_long: float
    nose_high: float
    nose_wide: float
    nose_hook: float
    mouth_v: float
    mouth_wide: float
    lip_upper: float
    lip_lower: float
    ear: float
    ear_out: float
    hair_line: float
    hair_peak: float
    hair_thick: float
    hair_long: float
    parting: float
    beard: float
    moustache: float
    skin: Colour
    hair: Colour
    iris_colour: Colour
    lips: Colour
    cloth: Colour
    glasses: bool
    glasses_round: float
    glasses_size: float
    blotches: NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """What differs between pictures of one person.

    Attributes:
        yaw: positive: turned to the right of the picture.
        pitch: positive: looking down.
        roll: positive: tilted clockwise.
        smile: from −0.5 to 1; `open_mouth`, `closed_eyes`: from 0 to 1; `brows_up`: −1 to 1.
        gaze: (2,) shift of the irises.
        light: (3,) direction from the face to the light; `ambient`: share from everywhere.
        light_colour: of both.
        with_glasses: whether those who have glasses wear them.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    smile: float = 0.0
    open_mouth: float = 0.0
    closed_eyes: float = 0.0
    brows_up: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    light: tuple[float, float, float] = (0.3, -0.5, 0.8)
    ambient: float = 0.45
    light_colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    with_glasses: bool = True


def draw_person(number: int, seed: int = 0) -> DrawnPerson:
    """The person of a number, always the same one."""
    rng = np.random.Generator(np.random.Philox(key=[seed, number]))
    n = _Draws(rng)
    skin = _blend(_SKINS, rng) * rng.uniform(0.93, 1.05)
    hair = _blend(_HAIRS, rng, spread=0.12)
    bald = rng.random() < 0.1
    long = rng.random() < 0.4
    beard = rng.random() < 0.3 and not long
    return DrawnPerson(
        width=n.about(0.76, 0.055),
        depth=n.about(0.92, 0.05),
        jaw=n.about(0.3, 0.09),
        jaw_square=n.about(2.2, 0.6),
        chin=n.about(0.2, 0.06),
        cheeks=n.about(0.05, 0.025),
        brow_ridge=n.about(0.05, 0.02),
        eye_u=n.about(0.375, 0.03),
        eye_v=n.about(-0.1, 0.025),
        eye_width=n.about(0.165, 0.018),
        eye_height=n.about(0.07, 0.014),
        eye_slant=n.about(0.0, 0.14),
        socket=n.about(0.07, 0.02),
        iris=n.about(0.066, 0.006),
        brow_gap=n.about(0.16, 0.025),
        brow_thick=n.about(0.034, 0.013),
        brow_arch=n.about(0.05, 0.025),
        brow_slant=n.about(0.0, 0.15),
        nose_v=n.about(0.25, 0.035),
        nose_long=n.about(0.36, 0.03),
        nose_high=n.about(0.2, 0.04),
        nose_wide=n.about(0.115, 0.022),
        nose_hook=n.about(0.0, 0.03),
        mouth_v=n.about(0.51, 0.03),
        mouth_wide=n.about(0.25, 0.03),
        lip_upper=n.about(0.04, 0.012),
        lip_lower=n.about(0.055, 0.014),
        ear=n.about(0.2, 0.025),
        ear_out=n.about(0.35, 0.15),
        hair_line=n.about(-0.66, 0.06),
        hair_peak=n.about(0.06, 0.05),
        hair_thick=0.0 if bald else n.about(0.12, 0.04),
        hair_long=rng.uniform(0.5, 1.3) if long and not bald else 0.0,
        parting=rng.uniform(-0.5, 0.5),
        beard=rng.uniform(0.4, 0.95) if beard else rng.uniform(0, 0.1),
        moustache=rng.uniform(0.5, 0.95) if beard or rng.random() < 0.06 else 0.0,
        skin=np.clip(skin, 0, 1),
        hair=np.clip(hair, 0.02, 1),
        iris_colour=_blend(_IRISES, rng, spread=0.05),
        lips=np.clip(skin * np.array([0.88, 0.62, 0.62]) * rng.uniform(0.85, 1.08), 0, 1),
        cloth=rng.uniform(0.1, 0.9, 3),
        glasses=bool(rng.random() < 0.2),
        glasses_round=rng.uniform(2, 6),
        glasses_size=rng.uniform(0.2, 0.27),
        blotches=np.stack(
            [
                rng.uniform(-0.75, 0.75, _BLOTCHES),
                rng.uniform(-0.7, 0.8, _BLOTCHES),
                np.where(rng.random(_BLOTCHES) < 0.75, rng.uniform(0.1, 0.3, _BLOTCHES), 0.022),
                rng.uniform(-0.1, 0.16, _BLOTCHES),
            ],
            1,
        ),
    )


def draw_look(rng: np.random.Generator, yaw: float, pitch: float, roll: float) -> Look:
    """A look at random in a pose: expression, gaze and light."""
    side, height = rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.25)
    warm = rng.uniform(-0.08, 0.08)
    return Look(
        yaw,
        pitch,
        roll,
        smile=rng.uniform(-0.3, 1.0),
        open_mouth=max(0.0, rng.uniform(-0.6, 0.8)),
        closed_eyes=1.0 if rng.random() < 0.04 else rng.uniform(0, 0.35),
        brows_up=rng.uniform(-0.6, 0.8),
        gaze=(rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.3)),
        light=(side, height, rng.uniform(0.45, 1.0)),
        ambient=rng.uniform(0.32, 0.6),
        light_colour=(1 + warm, 1.0, 1 - warm),
        with_glasses=bool(rng.random() < 0.75),
    )


class _Draws:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def about(self, mean: float, spread: float) -> float:
        """Normal, cut at two and a half deviations."""
        return mean + spread * float(np.clip(self._rng.normal(), -2.5, 2.5))


def _blend(colours: Colour, rng: np.random.Generator, spread: float = 0.03) -> Colour:
    """Between two neighbours of a list of colours."""
    place = rng.uniform(0, len(colours) - 1)
    low = min(int(place), len(colours) - 2)
    mixed = colours[low] + (place - low) * (colours[low + 1] - colours[low])
    blended: Colour = np.clip(mixed + rng.normal(0, spread, 3) * 0.4, 0.02, 1)
    return blended
