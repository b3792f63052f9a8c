"""Verification as LFW does it: thresholds from the other folds, and exact curves."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import DataError
from striate.data.corpora.lfw_lists import FacePair, image_key, read_pairs
from striate.data.transforms.binary_codes import learn_codes
from striate.train.faces.described import Described
from striate.train.faces.roc_plot import draw_roc
from striate.train.faces.verification import (
    best_threshold,
    pair_rows,
    verify,
    verify_codes,
    verify_descriptors,
)

pytestmark = pytest.mark.unit


def test_a_fold_is_judged_by_the_threshold_of_the_others() -> None:
    """In the second fold all distances are larger: its own threshold would be better."""
    distances = np.array([1.0, 2, 3, 4, 11, 12, 13, 14])
    same = np.array([True, True, False, False] * 2)
    folds = np.array([0] * 4 + [1] * 4)
    found = verify(distances, same, folds)
    assert found.thresholds == (12.5, 2.5)
    assert found.accuracies == (0.5, 0.5)
    assert verify(distances[:4], same[:4], folds[:4]).accuracies == (1.0,)


def test_mean_and_standard_error_are_those_of_the_folds() -> None:
    rng = np.random.default_rng(0)
    same = rng.random(6000) < 0.5
    distances = rng.normal(np.where(same, 0.0, 2.0))
    found = verify(distances, same, np.arange(6000) % 10)
    assert len(found.accuracies) == 10
    assert found.mean == pytest.approx(0.8413, abs=0.015)  # of two normals two deviations apart
    expected = np.std(found.accuracies, ddof=1) / math.sqrt(10)
    assert found.standard_error == pytest.approx(float(expected))
    assert found.auc == pytest.approx(0.9214, abs=0.01)
    assert str(found).startswith(f"{100 * found.mean:.2f} % ± ")


pairs = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda drawn: len({same for _, same in drawn}) == 2
)


@given(pairs)
def test_curves_and_thresholds_are_those_of_counting(drawn: list[tuple[int, bool]]) -> None:
    distances, same = (np.array(column) for column in zip(*drawn, strict=True))
    found = verify(distances, same, np.zeros(len(drawn), int))
    wins = [
        1.0 if one < other else 0.5 if one == other else 0.0
        for one in distances[same]
        for other in distances[~same]
    ]
    assert found.auc == pytest.approx(np.mean(wins))
    threshold = best_threshold(distances, same)
    right = ((distances < threshold) == same).mean()
    tries = [((distances < t - 0.5) == same).mean() for t in range(9)]
    assert right == pytest.approx(max(tries))
    assert (np.diff(found.accepted_same) >= 0).all()
    assert (found.accepted_same[-1], found.accepted_other[-1]) == (1.0, 1.0)


def test_pairs_of_one_kind_alone_are_refused() -> None:
    with pytest.raises(DataError, match="pairs of one person and pairs of two"):
        verify(np.arange(3.0), np.ones(3, bool), np.zeros(3, int))


def described() -> tuple[Described, tuple[FacePair, ...]]:
    """Ten people of four pictures, plainly apart; two folds of pairs."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(10, 1, 48))
    faces = np.abs(middles + rng.normal(0, 0.2, (10, 4, 48))).reshape(-1, 48).astype(np.float32)
    keys = tuple(image_key(f"p{p}", n + 1) for p in range(10) for n in range(4))
    lines = ["2\t4"]
    for fold in (0, 5):
        lines += [f"p{p}\t1\t2" for p in range(fold, fold + 4)]
        lines += [f"p{p}\t3\tp{p + 1}\t4" for p in range(fold, fold + 4)]
    found = Described(faces, np.arange(40) // 4, keys)
    return found, read_pairs("\n".join(lines) + "\n", "pairs.txt")


def test_descriptors_and_codes_tell_people_apart(tmp_path: Path) -> None:
    faces, wanted = described()
    first, second = pair_rows(faces, wanted)
    assert (first[0], second[0], first[4], second[4]) == (0, 1, 2, 7)
    by_distance = {
        name: verify_descriptors(faces, wanted, name) for name in ("euclidean", "manhattan", "chi2")
    }
    codes = learn_codes(faces.descriptors, bits=32).encode(faces.descriptors)
    found = {**by_distance, "codes of 32 bits": verify_codes(faces, codes, wanted)}
    for one in found.values():
        assert one.mean >= 0.9
    picture = tmp_path / "roc.png"
    draw_roc(found, "ten people").savefig(picture)
    assert picture.stat().st_size > 10_000


def test_a_picture_without_a_descriptor_is_named() -> None:
    faces, wanted = described()
    less = Described(faces.descriptors[:3], faces.labels[:3], faces.keys[:3])
    with pytest.raises(DataError, match=r"p2/p2_0001\.jpg, and it is not among the 3") as caught:
        pair_rows(less, wanted[2:])
    assert "split" in caught.value.remedy
