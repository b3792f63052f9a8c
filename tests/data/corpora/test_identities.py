"""Generated people: always the same, themselves in every picture, their landmarks exact."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import UsageError
from striate.data.corpora.celeba import PAIRS, open_celeba
from striate.data.corpora.face_drawing import draw_face
from striate.data.corpora.face_person import Look, draw_person
from striate.data.corpora.identities import (
    HEIGHT,
    PICTURES,
    WIDTH,
    draw_picture,
    write_identities,
)
from striate.data.corpora.lfw_lists import read_pairs
from striate.data.shards.schema import Sample
from striate.data.storage import Source
from striate.data.transforms.image.align import FRONTAL, align_frontal, frontal_shape, six_of

pytestmark = pytest.mark.unit

PEOPLE = 16


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "source"
    write_identities(folder, PEOPLE)
    return folder


def test_the_reader_of_the_published_corpus_reads_them(source: Path) -> None:
    corpus = open_celeba(Source.of(source))
    assert corpus.labels == tuple(str(person + 1) for person in range(PEOPLE))
    sizes = {split: len(found) for split, found in corpus.item_bytes.items()}
    held_out = PEOPLE // 4
    trained = PEOPLE - held_out
    assert sizes == {
        "train": trained * (PICTURES - 1),
        "val": trained,
        "test": held_out * PICTURES,
    }
    first, *_ = corpus.read("train", 0, 1)
    assert isinstance(first, Sample)
    with Image.open(io.BytesIO(first.payload)) as image:
        assert image.size == (WIDTH, HEIGHT)
    landmarks = np.array(first.fields["landmarks"]).reshape(67, 2)
    _, drawn = draw_picture(0, 0)
    assert np.allclose(landmarks, drawn.landmarks, atol=0.01)
    assert np.allclose(np.array(first.fields["six"]).reshape(6, 2), six_of(landmarks))


def test_pairs_are_of_people_nobody_trains_on_and_of_one_fold_each(source: Path) -> None:
    pairs = read_pairs((source / PAIRS).read_text(), PAIRS)
    corpus = open_celeba(Source.of(source))
    tested = {
        corpus.labels[one.label]
        for one in corpus.read("test", 0, 10_000)
        if isinstance(one, Sample) and isinstance(one.label, int)
    }
    folds: dict[str, set[int]] = {}
    for pair in pairs:
        names = [key.partition("/")[0] for key in pair[:2]]
        assert set(names) <= tested
        assert (len(set(names)) == 1) == pair.same
        for name in names:
            folds.setdefault(name, set()).add(pair.fold)
    assert all(len(found) == 1 for found in folds.values())
    assert len({pair.fold for pair in pairs}) == len(tested) // 2
    assert len({pair[:2] for pair in pairs}) == len(pairs)


def test_a_picture_is_a_function_of_its_person_and_number() -> None:
    (look, first), (_, again) = draw_picture(3, 2), draw_picture(3, 2)
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.landmarks, again.landmarks)
    other, drawn = draw_picture(3, 4)
    assert look != other
    assert not np.array_equal(first.pixels, drawn.pixels)


def test_pictures_of_one_person_are_more_alike_than_of_two() -> None:
    """By raw pixels of aligned faces, which light and expression disturb: a weak but true sign."""
    shape, people, each = frontal_shape(FRONTAL), 8, 4
    middle = slice(8, 40)
    cuts = []
    for person in range(people):
        for number in range(each):
            _, drawn = draw_picture(person, number)
            cut = align_frontal(drawn.pixels, drawn.landmarks, shape, 48)[middle, middle]
            cut = cut.astype(float).mean(2).ravel()
            cuts.append((cut - cut.mean()) / cut.std())
    alike = np.array(cuts) @ np.array(cuts).T / len(cuts[0])
    same = np.arange(people * each)[:, None] // each == np.arange(people * each) // each
    np.fill_diagonal(alike, np.nan)
    assert np.nanmean(alike[same]) > np.nanmean(alike[~same]) + 0.05


def test_landmarks_lie_on_what_they_name() -> None:
    """Pupils are dark in the middle of the eyes, and lips are redder than the skin above them."""
    grey = np.full((240, 200, 3), 0.5)
    for number in range(6):
        bright = Look(light=(0.0, 0.0, 1.0), ambient=0.9, with_glasses=False)
        look = replace(bright, yaw=0.15 * (-1) ** number)
        drawn = draw_face(draw_person(number), look, grey, scale=1.2)
        pixels = drawn.pixels.astype(float)

        def near(point: np.ndarray, reach: int, pixels: np.ndarray = pixels) -> np.ndarray:
            column, row = (int(v) for v in point)
            patch = pixels[row - reach : row + reach + 1, column - reach : column + reach + 1]
            return patch.reshape(-1, 3)

        left, right, nose, *_ = six_of(drawn.landmarks)
        for eye in (left, right):
            assert near(eye, 3).max(1).min() < 70 < near(nose, 1).max(1).min()
        lower = drawn.landmarks[[57, 66, 65]].mean(0)
        lip, skin = near(lower, 1).mean(0), near((nose + left) / 2, 1).mean(0)
        assert lip[0] / lip[1] > skin[0] / skin[1]


def test_a_turned_face_shows_its_side_of_the_picture() -> None:
    grey = np.full((120, 100, 3), 0.5)
    person = draw_person(4)
    ahead = six_of(draw_face(person, Look(), grey).landmarks)
    right = six_of(draw_face(person, Look(yaw=0.4), grey).landmarks)
    assert right[2, 0] > ahead[2, 0] + 3, "a positive yaw turns the nose to the picture's right"
    tilted = six_of(draw_face(person, Look(roll=0.4), grey).landmarks)
    assert tilted[1, 1] > tilted[0, 1], "a positive roll is clockwise"
    down = six_of(draw_face(person, Look(pitch=0.3), grey).landmarks)
    assert down[2, 1] > ahead[2, 1]


def test_too_few_people_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="7 people are too few"):
        write_identities(tmp_path, 7)
