"""The index that follows a store: restarts, snapshots, changes of model, and who is a stranger."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, literal, select

from striate.serve.identities import feed, kept_faces, model_index
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.enroll import enroll
from striate.serve.identities.errors import IndexBuilding, IndexUnavailable, OtherModel
from striate.serve.identities.face_index import FaceIndex
from striate.serve.identities.feed import all_rows, prune_changes
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.forget import forget_person, forget_photo
from striate.serve.identities.listing import list_people
from striate.serve.identities.model_index import IndexProgress
from striate.serve.identities.people import hide, merge
from striate.serve.identities.query import Query
from striate.serve.identities.search import UNKNOWN, identify
from striate.serve.identities.segment import Hashing
from striate.serve.identities.sharding import shards_of
from striate.serve.identities.snapshot import (
    CARD,
    SnapshotCard,
    purge_snapshot,
    read_card,
    read_snapshot,
    write_snapshot,
)
from striate.serve.identities.store import IdentityStore, serving_model, set_counter

pytestmark = pytest.mark.unit

TENANT = 1  # the first that a store gives a number


def _ids(index: FaceIndex, code: np.ndarray, k: int = 50, **query: Any) -> list[int]:
    found = index.search(Query(TENANT, code[None], k, **query))
    return [face for face in found.face_ids[0].tolist() if face >= 0]


@pytest.fixture
def enrolled(store: IdentityStore, model: ModelFingerprint, new_face: Any) -> list[int]:
    """Twelve faces of four people, near one another by threes."""
    faces = [new_face(n % 4, flipped=n // 4, person=f"person {n % 4}") for n in range(12)]
    return [one.face_id for one in enroll(store, None, "ours", model, faces, who="me").faces]


def _open(store: IdentityStore, tmp_path: Path, **options: Any) -> FaceIndex:
    return FaceIndex(store, tmp_path / "index" / "one", threads=1, **options)


def test_it_knows_what_was_enrolled_before_and_after(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], model: ModelFingerprint,
    new_face: Any,
) -> None:  # fmt: skip
    index = _open(store, tmp_path)
    assert sorted(_ids(index, new_face(0).code)) == enrolled
    assert _ids(index, new_face(0).code, 3) == [enrolled[0], enrolled[4], enrolled[8]]
    later = enroll(store, None, "ours", model, [new_face(9)], who="me")
    assert _ids(index, new_face(9).code, 1, at_least=later.change) == [later.faces[0].face_id]
    with pytest.raises(IndexUnavailable, match=f"to {later.change}, and 999"):
        index.search(Query(TENANT, new_face(9).code[None], at_least=999))


@pytest.mark.parametrize("saved_after", [0, 1, 2])
def test_a_restart_finds_the_same(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], model: ModelFingerprint,
    new_face: Any, saved_after: int,
) -> None:  # fmt: skip
    """From a snapshot before, between, or after what happened to the faces."""
    index = _open(store, tmp_path)
    steps: list[Callable[[], object]] = [
        lambda: enroll(store, None, "ours", model, [new_face(7), new_face(8)], who="me"),
        lambda: forget_photo(store, None, [], "ours", "photo-1-1", who="me"),
    ]
    for number in range(3):
        if number == saved_after:
            index.follow()
            assert index.save()
        if number < 2:
            steps[number]()
    index.follow()
    again, anew = _open(store, tmp_path), FaceIndex(store, threads=1)
    for seed in (0, 1, 7, 8):
        expected = _ids(anew, new_face(seed).code)
        assert _ids(again, new_face(seed).code) == expected
        assert _ids(index, new_face(seed).code) == expected
    assert enrolled[5] not in _ids(again, new_face(1).code)
    assert len(again) == len(enrolled) + 1


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("enroll"), st.lists(st.integers(0, 40), min_size=1, max_size=5)),
            st.tuples(st.just("forget"), st.integers(0, 40)),
            st.tuples(st.just("hide"), st.integers(0, 4)),
            st.tuples(st.just("merge"), st.integers(0, 3)),
            st.tuples(st.sampled_from(["save", "restart"]), st.just(0)),
        ),
        min_size=2,
        max_size=10,
    )
)
def test_after_any_series_of_changes_and_restarts_it_equals_brute_force(
    tmp_path_factory: pytest.TempPathFactory, model: ModelFingerprint, new_face: Any,
    steps: list[tuple[str, Any]],
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("series")
    store = IdentityStore.open(str(folder / "faces.db"))
    index = _open(store, folder)
    for verb, value in steps:
        people = {p.name: p.id for p in list_people(store, "ours", with_hidden=True)}
        if verb == "enroll":
            faces = [
                new_face(n % 8, flipped=n % 5, photo_id=f"p{n}", person=f"person {n % 5}")
                for n in value
            ]
            enroll(store, None, "ours", model, faces, who="me")
        elif verb == "forget" and people:
            forget_photo(store, None, [index], "ours", f"p{value}", who="me")
        elif verb == "hide" and f"person {value}" in people:
            hide(store, "ours", people[f"person {value}"], who="me")
        elif verb == "merge" and {f"person {value}", f"person {value + 1}"} <= set(people):
            merge(store, "ours", people[f"person {value}"], people[f"person {value + 1}"], who="me")
        elif verb == "save":
            index.save()
        elif verb == "restart":
            index = _open(store, folder)
        index.follow()
    with store.read() as connection:
        model_id = serving_model(connection)
    rows = CodeRows.concatenate(list(all_rows(store, model_id.id)) if model_id else [])
    for seed in range(8):
        for with_hidden in (False, True):
            code = new_face(seed).code
            distances = np.bitwise_count(rows.codes ^ code).sum(axis=1)
            order = np.lexsort((rows.face_ids, distances))
            seen = order[~rows.hidden[order] | with_hidden]
            expected = rows.face_ids[seen][:50].tolist()
            assert _ids(index, code, with_hidden=with_hidden) == expected


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "card", "other store"])
def test_a_damaged_snapshot_is_left_aside_and_replaced(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], new_face: Any, damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    _open(store, tmp_path).save()
    folder = tmp_path / "index" / "one"
    (file,) = folder.glob("*.arrow")
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "cut":
        file.write_bytes(content[:-100])
    elif damage == "gone":
        file.unlink()
    elif damage == "card":
        (folder / CARD).write_text("{}")
    else:
        with store.write() as connection:
            set_counter(connection, "store", 1)
    with caplog.at_level(logging.WARNING):
        again = _open(store, tmp_path)
    assert sorted(_ids(again, new_face(0).code)) == enrolled
    assert damage == "other store" or "left aside" in caplog.text
    card = read_card(folder)
    assert card is not None and card.rows == 12


def test_a_snapshot_older_than_the_listed_changes_is_made_anew(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], new_face: Any,
    model: ModelFingerprint,
) -> None:  # fmt: skip
    _open(store, tmp_path).save()
    enroll(store, None, "ours", model, [new_face(9)], who="me")
    prune_changes(store, store.newest_change())
    assert len(_open(store, tmp_path)) == 13


def test_what_a_killed_process_left_beside_a_snapshot_goes(
    store: IdentityStore, tmp_path: Path, enrolled: list[int]
) -> None:
    unfinished = tmp_path / "index" / ".tmp-0123456789ab-one"
    other = tmp_path / "index" / ".tmp-0123456789ab-two"
    for folder in (unfinished, other):
        folder.mkdir(parents=True)
        (folder / "codes-0000.arrow").write_bytes(b"of somebody who is forgotten")
    _open(store, tmp_path)
    assert not unfinished.exists()
    assert other.exists()  # another shard's, which may be at it


def test_shards_hold_each_face_once(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], new_face: Any
) -> None:
    parts = [FaceIndex(store, threads=1, shard=shard, shards=3) for shard in range(3)]
    held = [_ids(part, new_face(0).code) for part in parts]
    assert min(map(len, held)) > 0
    assert sorted(face for share in held for face in share) == enrolled


def _between_pages(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Have something done after the first page of five, while an index is being made."""

    def pages(*arguments: Any) -> Iterator[CodeRows]:
        for number, page in enumerate(all_rows(*arguments)):
            if number == 1:
                action()
            yield page

    monkeypatch.setattr(feed, "PAGE", 5)
    monkeypatch.setattr(model_index, "all_rows", pages)


def test_nothing_is_answered_before_the_index_is_whole(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], model: ModelFingerprint,
    new_face: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    index = _open(store, tmp_path, beside=True)
    said: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(IndexBuilding) as caught:
            _ids(index, new_face(0).code)
        said.append(caught.value.message)
        assert not index.progress().ready
        enroll(store, None, "ours", model, [new_face(9)], who="me")
        gone = forget_photo(store, None, [index], "ours", "photo-1-1", who="me")
        assert gone.left["index parts that did not answer"] == 1

    _between_pages(monkeypatch, meanwhile)
    index.build()
    assert said == ["The index of faces is being built: 5 of 12 faces."]
    with pytest.raises(IndexBuilding):  # whole, but not yet up to date
        _ids(index, new_face(0).code)
    assert index.follow() == 0
    found = _ids(index, new_face(0).code)
    assert set(found) & set(enrolled) == {*enrolled} - {enrolled[5]}
    assert len(found) == 12
    assert index.count_faces([enrolled[5]]) == 0


def test_one_that_is_closed_is_made_no_further(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = _open(store, tmp_path, beside=True)
    _between_pages(monkeypatch, index.close)
    index.build()
    assert (index.progress().done, index.follow()) == (10, 1), "the third page is read no more"


def test_one_that_is_slow_at_the_start_goes_on_by_itself(
    store: IdentityStore, enrolled: list[int], new_face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_faces, "WHOLE_WITHIN_S", 0)
    go_on = threading.Event()
    _between_pages(monkeypatch, lambda: go_on.wait(60))
    index = kept_faces.OwnIndex(store)
    try:
        with pytest.raises(IndexBuilding):
            _ids(index, new_face(0).code)
        go_on.set()
        assert index.progress(60) == IndexProgress(True, 12, 12)
        assert sorted(_ids(index, new_face(0).code)) == enrolled
    finally:
        go_on.set()
        index.close()


def test_a_new_store_is_whole_at_once(
    store: IdentityStore, tmp_path: Path, model: ModelFingerprint, new_face: Any
) -> None:
    index = _open(store, tmp_path, beside=True)
    index.build()
    assert (index.follow(), _ids(index, new_face(0).code)) == (0, [])
    done = enroll(store, None, "ours", model, [new_face(0)], who="me")
    found = _ids(index, new_face(0).code, at_least=done.change, fingerprint=model)
    assert found == [done.faces[0].face_id]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_share_is_the_same_in_the_database(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = str(tmp_path / "faces.db")
    store = IdentityStore.open(
        url if kind == "sqlite" else request.getfixturevalue("postgresql_database")
    )
    numbers = np.array([1, 2, 3, 997, 2**31 - 2, 2**31 - 1, 2**40 + 7, 2**62, 2**63 - 1])
    with store.read() as connection:
        for shards in (2, 3, 16, 1000):
            told = [
                connection.execute(select(shards_of(literal(n, BigInteger), shards))).scalar_one()
                for n in numbers.tolist()
            ]
            assert told == shards_of(numbers, shards).tolist()


def test_a_stranger_is_unknown_with_a_score_and_without_a_name(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], model: ModelFingerprint,
    new_face: Any,
) -> None:  # fmt: skip
    index = _open(store, tmp_path)
    codes = np.stack([new_face(2, flipped=1).code, new_face(50).code])
    known, stranger = identify(store, index, "ours", model, codes, k=3, most=40)
    assert (known.who, known.score, known.partial) == ("person 2", 1.0, False)
    assert [match.distance for match in known.matches] == [0, 1, 1]
    assert [m.face_id for m in known.matches] == [enrolled[6], enrolled[2], enrolled[10]]
    assert known.matches[0].photo_id == "photo-2-1"
    assert (stranger.who, stranger.matches) == (UNKNOWN, ())
    assert stranger.score is not None and 0.4 < stranger.score < 0.6
    (nobody,) = identify(store, index, "theirs", model, codes[:1], most=256)
    assert (nobody.who, nobody.score) == (UNKNOWN, None)


def test_looking_up_first_finds_the_same_people(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], model: ModelFingerprint,
    new_face: Any,
) -> None:  # fmt: skip
    index = _open(store, tmp_path, hashing=Hashing(16, 16, 0, least_rows=1))
    codes = np.stack([new_face(seed, flipped=3).code for seed in (0, 1, 50)])
    scanned = identify(store, index, "ours", model, codes, k=2, most=12)
    looked_up = identify(store, index, "ours", model, codes, k=2, most=12, near=True)
    assert looked_up == scanned
    assert [found.who for found in scanned] == ["person 0", "person 1", UNKNOWN]


def test_hidden_people_are_found_by_who_asks_for_them(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], model: ModelFingerprint,
    new_face: Any,
) -> None:  # fmt: skip
    index = _open(store, tmp_path)
    person = next(p for p in list_people(store, "ours") if p.name == "person 2")
    hide(store, "ours", person.id, who="me")
    index.follow()
    codes = new_face(2).code[None]
    assert identify(store, index, "ours", model, codes, most=40)[0].who == UNKNOWN
    assert identify(store, index, "ours", model, codes, most=40, with_hidden=True)[0].who == (
        "person 2"
    )
    hide(store, "ours", person.id, who="me", hidden=False)
    index.follow()
    assert identify(store, index, "ours", model, codes, most=40)[0].who == "person 2"


def test_a_code_of_another_model_is_never_compared(
    store: IdentityStore, tmp_path: Path, enrolled: list[int], model: ModelFingerprint,
    new_face: Any,
) -> None:  # fmt: skip
    index = _open(store, tmp_path)
    other = model.model_copy(update={"detector": "another"})
    with pytest.raises(OtherModel, match="its detector is another"):
        identify(store, index, "ours", other, new_face(2).code[None], most=40)


def test_forgetting_leaves_the_files_of_others_alone(tmp_path: Path) -> None:
    """At tens of millions of faces a snapshot has many files, and few have to be written anew."""
    parts = []
    for start in (0, 100, 200):
        numbers = np.arange(start + 1, start + 101)
        codes = np.full((100, 32), start % 251, np.uint8)
        parts.append(CodeRows(numbers, numbers % 2, np.zeros(100, bool), codes))
    card = SnapshotCard(store=1, model=1, shard=0, shards=1, seq=5, purged=5)
    written = write_snapshot(tmp_path / "one", card, parts)
    before = [path.stat().st_ino for path in sorted((tmp_path / "one").glob("*.arrow"))]
    purged = purge_snapshot(tmp_path / "one", written, np.array([150, 151, 999]), [], 9)
    after = [path.stat().st_ino for path in sorted((tmp_path / "one").glob("*.arrow"))]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]
    found = CodeRows.concatenate(list(read_snapshot(tmp_path / "one", purged)))
    assert set(range(1, 301)) - set(found.face_ids.tolist()) == {150, 151}
    assert read_card(tmp_path / "one") == purged
    assert (purged.seq, purged.purged, purged.rows) == (5, 9, 298)
    none = purge_snapshot(tmp_path / "one", purged, np.zeros(0, np.int64), [0, 1], 10)
    assert none.rows == 0


def test_who_is_forgotten_is_in_no_snapshot(
    store: IdentityStore, crops: Any, tmp_path: Path, model: ModelFingerprint, new_face: Any
) -> None:
    """Also where the process ended between the rows and the snapshot."""
    faces = [new_face(seed, person=f"person {seed}", crop=b"x") for seed in range(20)]
    done = enroll(store, crops, "ours", model, faces, who="me").faces
    index = _open(store, tmp_path)
    index.save()
    forgotten = done[3]
    assert forgotten.person_id is not None
    forget_person(store, crops, [], "ours", forgotten.person_id, who="me")  # and then killed
    folder = tmp_path / "index" / "one"
    secret = faces[3].code.tobytes()
    assert any(secret in file.read_bytes() for file in folder.iterdir())
    again = _open(store, tmp_path)
    assert not any(secret in file.read_bytes() for file in folder.iterdir())
    assert again.count_faces([forgotten.face_id]) == 0
    assert len(again) == 19
