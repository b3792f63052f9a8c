"""`striate faces`, from the terminal to a server in this process and back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from striate.cli.main import cli
from striate.core.errors import AccessRefused, DataError, StriateError, UnknownName, UsageError

pytestmark = pytest.mark.unit
FacePhoto = Callable[..., bytes]
Run = Callable[..., str]
Read = Callable[..., Any]


@pytest.fixture
def server(face_server: Any) -> Any:
    """The server of a test."""
    return face_server(following="other")


@pytest.fixture
def run(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face_photo: FacePhoto) -> Run:
    """Runs ``striate faces …`` in a folder with photos; it says something, or raises its error."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    for name, looks in (("ada", [1]), ("bob", [2]), ("both", [1, 2]), ("street", []), ("c", [3])):
        Path(f"{name}.png").write_bytes(face_photo(*looks))

    def call(*words: str) -> str:
        done = CliRunner().invoke(cli, ["faces", *words, "--address", server.address])
        if done.exception is not None:
            raise done.exception
        return done.output

    return call


@pytest.fixture
def read(run: Run) -> Read:
    """The document of ``striate faces … --json``."""
    return lambda *words: json.loads(run(*words, "--json"))


def test_faces_are_found_and_judged(run: Run, read: Read) -> None:
    said = run("detect", "both.png", "street.png")
    assert "both.png: 2 faces" in said and "street.png: no face" in said
    both, street = read("detect", "both.png", "street.png")
    assert both["photo"] == "both.png" and both["width_px"] == 160 and street["faces"] == []
    assert both["faces"][0]["poor"] is None and both["faces"][0]["quality"]["size_px"] > 40


def test_who_is_enrolled_is_known_and_a_stranger_is_not(run: Run, read: Read) -> None:
    assert "enrolled" in run("enroll", "ada.png", "--person", "Ada Lovelace")
    assert "Ada Lovelace" in run("search", "ada.png")
    (both,) = read("search", "both.png")
    assert sorted(one["who"] for one in both["faces"]) == ["Ada Lovelace", "unknown"]
    stranger = next(one for one in both["faces"] if one["who"] == "unknown")
    assert stranger["person_id"] == 0 and 0 < stranger["score"] < 0.75
    assert "unknown" in run("search", "bob.png") and "Ada" not in run("search", "bob.png")
    assert "no face" in run("search", "street.png")
    with pytest.raises(UsageError, match="already"):
        run("enroll", "ada.png")
    (again,) = read("enroll", "ada.png", "--again")
    assert again["faces"][0]["outcome"] == "ENROLL_OUTCOME_KNOWN"


def test_one_of_several_faces_is_enrolled_by_its_place(run: Run, read: Read) -> None:
    with pytest.raises(StriateError, match="2 faces"):
        run("enroll", "both.png", "--person", "Bob")
    (place,) = (f["box"] for f in read("detect", "both.png")[0]["faces"] if f["box"]["left"] > 0.5)
    only = ",".join(str(place[name]) for name in ("left", "top", "width", "height"))
    run("enroll", "both.png", "--person", "Bob", "--only", only, "--photo-id", "party")
    (found,) = read("search", "bob.png")
    assert found["faces"][0]["matches"][0]["photo_id"] == "party"
    for wrong in ("here", "1,2,3", "1,2,3,x"):
        with pytest.raises(UsageError, match="is no place"):
            run("describe", "both.png", "--only", wrong)
    with pytest.raises(UsageError, match="for one photo"):
        run("enroll", "ada.png", "bob.png", "--photo-id", "x")


def test_descriptions_stand_for_photos(run: Run, read: Read) -> None:
    described = run("describe", "ada.png", "--json")
    Path("ada.json").write_text(described)
    assert "network" in run("describe", "ada.png")
    run("enroll", "ada.png", "--person", "Ada")
    (by_photo,), (by_document,) = read("search", "ada.png"), read("search", "ada.json")
    assert by_document["faces"][0]["matches"] == by_photo["faces"][0]["matches"]
    assert "show the same person" in run("verify", "ada.json", "ada.png")
    assert "show two people" in run("verify", "ada.json", "bob.png")
    assert read("verify", "ada.png", "bob.png", "--threshold", "0")["same"]
    Path("two.json").write_text(run("describe", "both.png", "--json"))
    with pytest.raises(UsageError, match="holds 2 faces"):
        run("verify", "ada.png", "two.json")
    for text in ("[]", "{}", '[{"photo": 1}]', "[" * 100_000, "{not json", '[{"faces": [{}]}]'):
        Path("bad.json").write_text(text)
        with pytest.raises(UsageError, match="holds no described faces"):
            run("search", "bad.json")


def test_people_are_corrected_by_hand(run: Run, read: Read) -> None:
    run("enroll", "ada.png", "--person", "Ada")
    run("enroll", "bob.png", "--person", "Bob", "--photo-id", "bobs")
    run("enroll", "c.png")
    assert [(one["id"], one["name"], one["faces"]) for one in read("people", "ls")] == [
        (1, "Ada", 1), (2, "Bob", 1),
    ]  # fmt: skip
    assert "Ada Lovelace" in run("people", "rename", "Ada", "Ada Lovelace")
    with pytest.raises(UsageError, match="has the name"):
        run("people", "rename", "2", "Ada Lovelace")
    assert "2 faces" in run("people", "merge", "Ada Lovelace", "Bob")
    shown = read("people", "show", "Ada Lovelace", "--cover", "cover.png")
    assert [one["photo_id"] for one in shown["faces"]][1] == "bobs"
    assert Path("cover.png").read_bytes()[:4] == b"\x89PNG"
    assert "crop" not in shown["faces"][0] and "cover" not in shown["person"]
    second = str(shown["faces"][1]["id"])
    assert "person 3" in run("people", "split", "1", "Bob", second)
    assert "stands for Bob" in run("people", "cover", "Bob", second)
    (unnamed,) = read("people", "show")["faces"]
    assert "person 4's" in run("people", "move", str(unnamed["id"]), "--new", "Cy")
    assert "nobody's" in run("people", "move", str(unnamed["id"]), "--nobody")
    assert "person 3's" in run("people", "move", str(unnamed["id"]), "--to", "Bob")
    assert "do not find Bob" in run("people", "hide", "Bob")
    assert "Bob" not in run("people", "ls") and "Bob" in run("people", "ls", "--hidden")
    assert "unknown" in run("search", "bob.png")
    assert "find Bob" in run("people", "hide", "Bob", "--show")
    assert "bobs" in run("people", "show", "--photo", "bobs")
    for words, kind in (
        (["people", "show", "Nobody"], UnknownName),
        (["people", "show", "77"], UnknownName),
        (["people", "show", "Ada", "--photo", "x"], UsageError),
        (["people", "move", "1"], UsageError),
        (["people", "cover", "Ada Lovelace", second], UnknownName),
    ):
        with pytest.raises(kind):
            run(*words)


def test_groups_are_suggested(run: Run, read: Read, face_photo: FacePhoto) -> None:
    assert "nothing to suggest" in run("cluster")
    for number, dimmed in enumerate((1.0, 0.9)):
        photo = face_photo(1, change=lambda one: one.point(lambda value: int(value * dimmed)))  # noqa: B023
        Path(f"again-{number}.png").write_bytes(photo)
        run("enroll", f"again-{number}.png", "--photo-id", f"p{number}")
    assert len(read("cluster")["groups"][0]["face_ids"]) == 2
    assert "Unnamed faces" in run("cluster")


def test_forgetting_asks_and_proves(run: Run, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    run("enroll", "ada.png", "--person", "Ada", "--photo-id", "a")
    run("enroll", "bob.png", "--person", "Bob", "--photo-id", "b")
    with pytest.raises(UsageError, match=r"Forgetting Ada \(person 1, 1 faces\) cannot be undone"):
        run("forget", "Ada")
    assert "Ada" in run("people", "ls")
    gone = read("forget", "Ada", "--yes")
    assert gone["gone"] and (gone["faces"], gone["crops"]) == (1, 1)
    assert set(gone["left"].values()) == {0}
    assert "unknown" in run("search", "ada.png")
    assert "left: index rows" in run("forget", "--photo", "b", "--yes")
    assert read("people", "ls")[0]["faces"] == 0
    run("forget", "--everything", "--yes")
    assert read("people", "ls") == []
    for words, kind in (
        (["Ada"], UnknownName),
        ([], UsageError),
        (["1", "--photo", "b"], UsageError),
    ):
        with pytest.raises(kind):
            run("forget", *words, "--yes")


def test_a_folder_of_people_is_imported(
    run: Run, read: Read, face_photo: FacePhoto, tmp_path: Path
) -> None:
    people = Path("people")
    for name, look in (("Ada_Lovelace", 1), ("Bob", 2)):
        (people / name).mkdir(parents=True)
        (people / name / "1.png").write_bytes(face_photo(look))
    (people / "Bob" / "broken.JPG").write_bytes(b"no photo")
    (people / "stranger.png").write_bytes(face_photo(3))
    (people / ".hidden.png").write_bytes(b"x")
    (people / "notes.txt").write_text("x")
    done = read("import", "people")
    assert (done["photos"], done["enrolled"], done["failed"]) == (4, 3, 1)
    assert done["failures"][0]["photo_id"] == "people/Bob/broken.JPG"
    assert [one["name"] for one in read("people", "ls")] == ["Ada Lovelace", "Bob"]
    assert read("search", "c.png")[0]["faces"][0]["matches"][0]["photo_id"] == "people/stranger.png"
    said = run("import", "people")
    assert "known" in said and "broken.JPG" in said
    Path("none").mkdir()
    with pytest.raises(DataError, match="holds no photo"):
        run("import", "none")
    with pytest.raises(UsageError, match="--described-by"):
        run("import", "people", "--described-by", "ada.png")


def test_what_is_exported_can_be_imported(run: Run, read: Read) -> None:
    run("enroll", "ada.png", "--person", "Ada", "--photo-id", "a")
    done = read("export", "Ada", "out/ada")
    assert (done["faces"], done["crops"]) == (1, 1)
    folder = Path("out/ada")
    assert folder.stat().st_mode & 0o077 == 0
    held = json.loads((folder / "person.json").read_text())
    assert held["person"]["name"] == "Ada" and held["audit"][-1]["verb"] == "export"
    (face,) = held["faces"]
    assert len(face["descriptors"][0]["vector"]) == face["descriptors"][0]["model"]["dimension"]
    assert (folder / "crops" / f"{face['face']['id']}.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UsageError, match="there already"):
        run("export", "Ada", "out/ada")
    run("forget", "Ada", "--yes")
    assert "unknown" in run("search", "ada.png")
    assert read("import", "out/ada/faces-1.arrow")["enrolled"] == 1
    (found,) = read("search", "ada.png")
    assert found["faces"][0]["who"] == "Ada"


def test_described_faces_come_from_parquet_too(run: Run, read: Read) -> None:
    run("enroll", "ada.png", "--person", "Ada")
    run("export", "Ada", "ada")
    table = pa.ipc.open_file(pa.memory_map("ada/faces-1.arrow")).read_all()
    rows = table.to_pylist()
    plain = pa.table(  # as pandas would write it: lists of double, no metadata
        {
            "photo_id": [row["photo_id"] for row in rows],
            "descriptor": [list(map(float, row["descriptor"])) for row in rows],
            "code": [row["code"] for row in rows],
            "person": [row["person"] for row in rows],
        }
    )
    pq.write_table(plain, "faces.parquet")
    run("forget", "Ada", "--yes")
    with pytest.raises(UsageError, match="does not say which model"):
        run("import", "faces.parquet")
    Path("model.json").write_text(run("describe", "bob.png", "--json"))
    assert read("import", "faces.parquet", "--described-by", "model.json")["enrolled"] == 1
    pq.write_table(plain.drop_columns(["code"]), "less.parquet")
    with pytest.raises(DataError, match="lacks the column code"):
        run("import", "less.parquet", "--described-by", "model.json")
    codes = [row["code"][:7] for row in rows]
    pq.write_table(plain.set_column(2, "code", pa.array(codes)), "short.parquet")
    with pytest.raises(DataError, match="column code"):
        run("import", "short.parquet", "--described-by", "model.json")
    for content in (b"no table", b"", b"PAR1 and no more"):
        Path("bad.arrow").write_bytes(content)
        with pytest.raises(DataError, match="no Arrow or Parquet"):
            run("import", "bad.arrow")


def test_faces_are_described_anew(run: Run, read: Read) -> None:
    run("enroll", "ada.png", "--person", "Ada")
    assert "1 of 1 faces" in run("reindex", "--plan")
    done = read("reindex")
    assert done["serves"] and done["described"] == 1
    assert read("describe", "ada.png")[0]["faces"][0]["descriptor"]["model"]["network"]["name"] == (
        "other"
    )
    assert "Ada" in run("search", "ada.png")
    assert "other version 3 serves" in run("reindex")


def test_a_region_where_faces_are_off_is_one_sentence(run: Run) -> None:
    with pytest.raises(AccessRefused, match="off in the region DE"):
        run("detect", "ada.png", "--region", "DE")
