"""Distortions: functions of (seed, epoch, position) that leave a digit a digit."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.data.transforms.image.augment import AUGMENTATIONS, Affine
from striate.data.transforms.random import Places, uniforms

pytestmark = pytest.mark.unit


def places(count: int, seed: int = 3, epoch: int = 0) -> Places:
    return Places(seed, np.full(count, epoch), np.arange(count))


def pictures(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@given(data=st.data())
def test_a_picture_does_not_depend_on_its_batch(name: str, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=40, unique=True))
    images, where = pictures(40), places(40)
    whole = AUGMENTATIONS[name](images, where)
    part = AUGMENTATIONS[name](
        images[chosen], Places(where.seed, where.epochs[chosen], where.positions[chosen])
    )
    assert torch.equal(whole[chosen], part)


def test_no_distortion_is_the_identity() -> None:
    images = pictures(8)
    still = Affine(degrees=0, shear=0, scale=0, squeeze=0, shift=0)(images, places(8))
    assert torch.allclose(still, images.float(), atol=1e-2)


def test_seed_epoch_and_position_each_matter() -> None:
    image = pictures(1)
    draws = [
        AUGMENTATIONS["affine"](image, Places(seed, np.array([epoch]), np.array([position])))
        for seed, epoch, position in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    ]
    for index, one in enumerate(draws):
        assert not any(torch.equal(one, other) for other in draws[index + 1 :])


def test_each_quantity_does_what_it_says() -> None:
    """A bar in the middle of the image: its extent after one distortion at a time."""
    bar = torch.zeros(200, 1, 28, 28)
    bar[:, :, 8:20, 12:16] = 255
    none = {"degrees": 0.0, "shear": 0.0, "scale": 0.0, "squeeze": 0.0, "shift": 0.0}
    shifted = Affine(**{**none, "shift": 0.25})(bar, places(200))
    centres = (shifted.sum(2)[:, 0] * torch.arange(28)).sum(1) / shifted.sum((1, 2, 3)) - 13.5
    assert 3.0 < centres.abs().max() <= 3.51  # a quarter of half of 28 pixels
    grown = Affine(**{**none, "scale": 0.2})(bar, places(200)).sum((1, 2, 3)) / bar[0].sum()
    assert 0.6 < grown.min() < 0.7
    assert 1.38 < grown.max() < 1.5  # 0.8² to 1.2²
    squeezed = Affine(**{**none, "squeeze": 0.2})(bar, places(200)).sum((1, 2, 3)) / bar[0].sum()
    assert squeezed.sub(1).abs().max() < 0.03  # width for height, at equal area
    turned = Affine(**{**none, "degrees": 30.0})(bar, places(200))
    assert turned.sum((1, 2, 3)).div(bar[0].sum()).sub(1).abs().max() < 0.03
    assert turned[:, 0, :, :10].amax((1, 2)).gt(50).any()  # its ends have left the middle


def test_numbers_are_even_and_independent() -> None:
    draws = uniforms(7, np.zeros(20_000, np.int64), np.arange(20_000), 4)
    assert draws.shape == (4, 20_000)
    assert 0 <= draws.min() < 0.001
    assert 0.999 < draws.max() < 1
    for row in draws:
        assert np.histogram(row, 10, (0, 1))[0] == pytest.approx(2000, abs=200)
        assert abs(np.corrcoef(row[:-1], row[1:])[0, 1]) < 0.03
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.03


def test_numbers_never_change_between_versions() -> None:
    """A resumed run must see the crops that the run before it would have seen."""
    draws = uniforms(42, np.array([0, 3]), np.array([0, 99]), 2)
    assert draws == pytest.approx(np.array(GOLDEN), abs=1e-15)


GOLDEN = [[0.5355877723302319, 0.6854567928128463], [0.1798686789081485, 0.41641284230185904]]
