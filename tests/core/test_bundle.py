"""The bundle: what was written comes back; anything else is refused by name; no pickle."""

import json
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.core.bundle import Architecture, Bundle, BundleSpec, Provenance, TensorSpec
from striate.core.errors import BundleError

pytestmark = pytest.mark.unit

SPEC = BundleSpec(
    architecture=Architecture(name="lenet1", arguments={"classes": 10}),
    task="classification",
    inputs={
        "input": TensorSpec(dtype="float32", shape=(1, 28, 28), layout="CHW", units="intensity")
    },
    outputs={"output": TensorSpec(dtype="float32", shape=(10,), layout="C", units="logit")},
    preprocessing=({"op": "scale", "factor": 0.1, "offset": -1},),
    labels=tuple("0123456789"),
    provenance=Provenance(run_id="r1", metrics={"accuracy": 0.99}),
)
STATE = {"weight": torch.arange(6.0).reshape(2, 3), "steps": torch.tensor(7)}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.write(tmp_path / "b", SPEC, STATE, {"labels.txt": "zero\none\n"})


def test_round_trip(bundle: Bundle) -> None:
    again = Bundle.open(bundle.path)
    assert again.spec == SPEC
    assert again.files == bundle.files
    state = again.state()
    assert set(state) == set(STATE)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)
    assert state["steps"].dtype == torch.int64
    assert again.asset("labels.txt") == "zero\none\n"


def test_a_view_and_a_parameter_can_be_written(tmp_path: Path) -> None:
    view = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)).T
    written = Bundle.write(tmp_path / "b", SPEC, {"w": view})
    assert torch.equal(Bundle.open(written.path).state()["w"], view)


def test_writing_again_replaces_all(bundle: Bundle) -> None:
    Bundle.write(bundle.path, SPEC, {"weight": torch.zeros(1)})
    assert {file.name for file in bundle.path.iterdir()} == {"bundle.json", "model.safetensors"}
    assert list(bundle.path.parent.iterdir()) == [bundle.path]


def test_the_digest_names_what_the_bundle_computes(bundle: Bundle, tmp_path: Path) -> None:
    texts: dict[str, str | Path] = {"labels.txt": "zero\none\n"}
    again = SPEC.model_copy(update={"provenance": Provenance(run_id="r2")})
    same = Bundle.write(tmp_path / "same", again, STATE, texts)
    assert len(bundle.digest) == 12
    assert bundle.digest == same.digest == Bundle.open(same.path).digest
    other_labels = SPEC.model_copy(update={"labels": tuple("9876543210")})
    other_way_in = SPEC.model_copy(update={"preprocessing": ()})
    others = [
        Bundle.write(tmp_path / "weights", SPEC, {"weight": torch.zeros(1)}, texts),
        Bundle.write(tmp_path / "labels", other_labels, STATE, texts),
        Bundle.write(tmp_path / "preprocessing", other_way_in, STATE, texts),
        Bundle.write(tmp_path / "asset", SPEC, STATE, {"labels.txt": "one\nzero\n"}),
    ]
    assert len({bundle.digest, *(other.digest for other in others)}) == 5


@pytest.mark.parametrize("name", ["model.safetensors", "labels.txt"])
def test_one_flipped_bit_is_refused_by_name(bundle: Bundle, name: str) -> None:
    content = bytearray((bundle.path / name).read_bytes())
    content[-1] ^= 1
    (bundle.path / name).write_bytes(content)
    with pytest.raises(BundleError, match=name):
        Bundle.open(bundle.path)


@pytest.mark.parametrize("name", ["model.safetensors", "labels.txt"])
def test_a_cut_or_missing_file_is_refused_by_name(bundle: Bundle, name: str) -> None:
    file = bundle.path / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match=name):
        Bundle.open(bundle.path)
    file.unlink()
    with pytest.raises(BundleError, match=f"lacks its file {name}"):
        Bundle.open(bundle.path)


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle\.json"):
        Bundle.open(tmp_path)


def _edit(bundle: Bundle, change: Callable[[dict[str, Any]], object]) -> None:
    path = bundle.path / "bundle.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d.update(format_version=3), r"is of format 3; this Striate reads up to 2\. Ins"),
        (lambda d: d.update(format_version="two"), "format_version"),
        (lambda d: d.pop("format_version"), "format_version"),
        (lambda d: d.pop("task"), "task"),
        (lambda d: d.update(surprise=1), "surprise"),
        (lambda d: d["files"]["labels.txt"].update(sha256="abc"), "sha256"),
        (lambda d: d["files"].update({"../evil": d["files"]["labels.txt"]}), "evil"),
    ],
    ids=["newer", "version", "no version", "missing", "extra", "hash", "outside"],
)
def test_a_wrong_document_is_refused_by_field(
    bundle: Bundle, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    _edit(bundle, change)
    with pytest.raises(BundleError, match=named):
        Bundle.open(bundle.path)


def test_a_document_that_is_no_json_is_refused(bundle: Bundle) -> None:
    (bundle.path / "bundle.json").write_bytes(b"\x80\x04}")
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Bundle.open(bundle.path)


def test_a_pickle_in_place_of_the_weights_never_runs(bundle: Bundle, tmp_path: Path) -> None:
    weights = bundle.path / "model.safetensors"
    weights.write_bytes(pickle.dumps(_Bomb(str(tmp_path / "exploded"))))
    with pytest.raises(BundleError):
        Bundle.open(bundle.path)
    with pytest.raises(BundleError, match="cannot be read"):  # not even when the hashes agree
        bundle.state()
    assert not (tmp_path / "exploded").exists()


class _Bomb:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/etc/x", "bundle.json", "model.safetensors"]
)
def test_an_asset_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError):
        Bundle.write(tmp_path / "b", SPEC, STATE, {name: "x"})
    assert list(tmp_path.iterdir()) == []


def test_an_asset_that_is_not_there_is_named(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"nothing\.txt"):
        bundle.asset("nothing.txt")


def test_an_asset_of_any_content_is_copied_from_its_file(tmp_path: Path) -> None:
    index = tmp_path / "made elsewhere.bin"
    index.write_bytes(bytes(range(256)) * 4096)
    bundle = Bundle.write(
        tmp_path / "b", SPEC, STATE, {"faces.index": index, "words.txt": "a\nb\n"}
    )
    index.unlink()
    again = Bundle.open(bundle.path)
    assert again.files["faces.index"].size_bytes == 2**20
    assert again.asset_path("faces.index").read_bytes() == bytes(range(256)) * 4096
    assert again.asset("words.txt") == "a\nb\n"
    with pytest.raises(BundleError, match=r"faces\.index.*no text"):
        again.asset("faces.index")


def test_an_asset_whose_file_is_not_there_leaves_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"vocabulary.*words\.txt is not there"):
        Bundle.write(tmp_path / "b", SPEC, STATE, {"vocabulary": tmp_path / "words.txt"})
    assert list(tmp_path.iterdir()) == []


def test_a_large_asset_is_never_held_in_memory(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2**27)
    tracemalloc.start()
    Bundle.open(Bundle.write(tmp_path / "b", SPEC, STATE, {"large": large}).path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**25
