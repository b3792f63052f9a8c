"""Codes of descriptors: near for near ones, always of their length; and codes in groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import DataError, UsageError
from striate.data.transforms.binary_clusters import assign, cluster_codes
from striate.data.transforms.binary_codes import (
    CodeProjection,
    Codes,
    Descriptors,
    hamming,
    hamming_pairs,
    learn_codes,
    normalise,
)

pytestmark = pytest.mark.unit


def people(count: int, each: int, size: int = 96, noise: float = 0.35) -> Descriptors:
    """Descriptors of a network with rectifiers: each person's lie about a point of their own."""
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(count, 1, size))
    return (
        np.maximum(middles + rng.normal(0, noise, (count, each, size)), 0)
        .reshape(-1, size)
        .astype(np.float32)
    )


def codes_of(count: int, size: int = 4, seed: int = 0) -> Codes:
    return np.random.default_rng(seed).integers(0, 256, (count, size), np.uint8)


def test_codes_of_one_person_are_nearer_than_codes_of_two() -> None:
    train, test = people(60, 10)[:300], people(60, 10)[300:]
    codes = learn_codes(train, bits=64).encode(test)
    assert codes.shape == (300, 8)
    assert codes.dtype == np.uint8
    apart = hamming(codes, codes)
    same = np.arange(300)[:, None] // 10 == np.arange(300) // 10
    np.fill_diagonal(same, False)
    other = np.arange(300)[:, None] // 10 != np.arange(300) // 10
    assert apart[same].mean() < 0.6 * apart[other].mean()
    assert (apart[other].mean() / 64) == pytest.approx(0.5, abs=0.05)  # bits are spread evenly


def test_the_rotation_loses_less_than_none() -> None:
    """The refinement brings projections nearer to their signs: what the method is for."""
    data = people(60, 10)

    def loss(iterations: int) -> float:
        made = learn_codes(data, bits=32, iterations=iterations)
        projected = (normalise(data, made.scale) - made.mean) @ made.matrix
        unit = projected / np.abs(projected).mean()
        return float(np.square(np.where(unit > 0, 1, -1) - unit).mean())

    assert loss(50) < 0.9 * loss(0)
    made = learn_codes(data, bits=32)
    assert np.allclose(made.matrix.T @ made.matrix, np.eye(32), atol=1e-5)


def test_a_projection_is_kept_whole_in_a_file() -> None:
    data = people(40, 8)
    made = learn_codes(data, bits=64)
    again = CodeProjection.of_bytes(made.to_bytes())
    assert again.version == made.version
    assert np.array_equal(again.encode(data), made.encode(data))
    assert learn_codes(data, bits=64).version == made.version
    assert learn_codes(data, bits=64, seed=1).version != made.version
    with pytest.raises(DataError, match="codes is damaged"):
        CodeProjection.of_bytes(b"nothing")


def test_descriptors_that_do_not_fit_are_refused() -> None:
    made = learn_codes(people(40, 8), bits=64)
    with pytest.raises(DataError, match=r"shape \(2, 95\) came to codes for 96"):
        made.encode(np.zeros((2, 95), np.float32))
    with pytest.raises(DataError, match="not finite"):
        made.encode(np.full((1, 96), np.nan, np.float32))
    with pytest.raises(DataError, match="32 descriptors of 96 entries are too few for 64"):
        learn_codes(people(4, 8), bits=64)
    with pytest.raises(UsageError, match="12 bits"):
        learn_codes(people(40, 8), bits=12)


def test_a_unit_that_never_fires_and_a_face_without_any_do_no_harm() -> None:
    data = people(40, 8)
    data[:, 5] = 0
    made = learn_codes(data, bits=64)
    assert made.encode(np.zeros((1, 96), np.float32)).shape == (1, 8)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000))
def test_distances_are_bits_that_differ(count: int, size: int, seed: int) -> None:
    first, second = codes_of(count, size, seed), codes_of(count, size, seed + 1)
    plain = np.unpackbits(first[:, None] ^ second[None], axis=2).sum(2)
    assert np.array_equal(hamming(first, second), plain)
    assert np.array_equal(hamming_pairs(first, second), plain.diagonal())


def flipped(centre: Codes, count: int, bits: int, seed: int) -> Codes:
    rng = np.random.default_rng(seed)
    noise = np.zeros((count, centre.size * 8), np.uint8)
    for row in noise:
        row[rng.choice(len(row), bits, replace=False)] = 1
    return centre ^ np.packbits(noise, axis=1)


def test_groups_are_found_again() -> None:
    centres = codes_of(12, 32)
    codes = np.concatenate([flipped(one, 20, 30, at) for at, one in enumerate(centres)])
    found = cluster_codes(codes, 12)
    groups = found.labels.reshape(12, 20)
    assert (groups == groups[:, :1]).all()
    assert len(set(groups[:, 0].tolist())) == 12
    assert hamming(centres, found.centres).min(1).max() < 12  # a majority undoes the noise
    assert np.array_equal(cluster_codes(codes, 12).labels, found.labels)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 50))
def test_every_code_is_with_its_nearest_centre(count: int, clusters: int, seed: int) -> None:
    codes: Codes = codes_of(count, 2, seed) & np.uint8(0x11)  # many are equal
    clusters = min(clusters, count)
    found = cluster_codes(codes, clusters, seed)
    apart = hamming(codes, found.centres)
    assert np.array_equal(found.distances, apart.min(1))
    assert np.array_equal(found.labels, apart.argmin(1))
    assert found.centres.shape == (clusters, 2)
    labels, distances = assign(codes, found.centres)
    assert np.array_equal(labels, found.labels)
    assert np.array_equal(distances, found.distances)


def test_more_groups_than_codes_are_refused() -> None:
    with pytest.raises(UsageError, match="3 codes cannot be put into 4 groups"):
        cluster_codes(codes_of(3), 4)
