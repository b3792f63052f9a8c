"""A run's bundle describes faces, and keeps the codes that were learnt from descriptors."""

from collections.abc import Callable

import numpy as np
import pytest

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, DataError
from striate.data.transforms.binary_codes import BITS, codes_of
from striate.train.distributed.world import World
from striate.train.faces.code_bundle import add_codes
from striate.train.faces.described import describe_split
from striate.train.faces.verification import pairs_of, verify_codes, verify_descriptors
from striate.train.loop.train import train
from striate.train.run.folder import Run

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["deepface-identities-mini", "deepface-siamese-mini"])
def test_a_bundle_carries_the_codes_of_its_descriptors(
    name: str, make_short_run: Callable[[str, int], Run]
) -> None:
    run = make_short_run(name, 2)
    train(run, World())
    bundle = Bundle.open(run.folder.bundle)
    faces = describe_split(bundle, run.spec.shards, "test")
    assert faces.descriptors.dtype == np.float32
    assert faces.descriptors.shape == (2 * 12, faces.descriptors.shape[1])
    assert len(set(faces.labels.tolist())) == 2
    pairs = pairs_of(run.spec.shards)
    assert len(verify_descriptors(faces, pairs).accuracies) == 1  # two people are one fold
    rng = np.random.default_rng(0)
    many = np.abs(rng.normal(size=(300, faces.descriptors.shape[1]))).astype(np.float32)
    with_codes = add_codes(bundle, many, bundle.path)
    assert set(with_codes.files) == {*bundle.files, "codes.npz"}
    again = codes_of(Bundle.open(bundle.path))
    codes = again.encode(faces.descriptors)
    assert codes.shape == (24, BITS // 8)
    assert 0 <= verify_codes(faces, codes, pairs).mean <= 1
    assert add_codes(with_codes, many, bundle.path).digest == with_codes.digest


def test_what_describes_no_faces_and_has_no_pairs_is_said(
    make_short_run: Callable[[str, int], Run],
) -> None:
    run = make_short_run("lenet5-digits", 2)
    train(run, World())
    bundle = Bundle.open(run.folder.bundle)
    with pytest.raises(BundleError, match="describes no faces"):
        describe_split(bundle, run.spec.shards, "test")
    with pytest.raises(BundleError, match=r"no asset 'codes\.npz'"):
        codes_of(bundle)
    with pytest.raises(DataError, match=r"pairs\.txt"):
        pairs_of(run.spec.shards)
