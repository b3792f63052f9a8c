"""A run on text: its bundle keeps the vocabularies that its batches were made with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.data.ingest.ingest import ingest
from striate.data.transforms.text.tokenizer import Tokenizer
from striate.train.distributed.world import World
from striate.train.loop.batches import open_stream
from striate.train.loop.bundle_spec import bundle_assets
from striate.train.run.folder import Run

pytestmark = pytest.mark.unit

SEQUENCES = {"source": {"column": "en"}, "target": {"column": "fr", "end": True, "most": 30}}


def test_the_bundle_keeps_what_the_batches_were_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_run_on: Callable[..., Run]
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    ingest("phrases", tmp_path / "source", tmp_path / "shards", size=200)
    arguments = f"data.pipeline_arguments={json.dumps({'sequences': SEQUENCES})}"
    text = ("data.augment=null", "data.preprocessing=[]", "data.pipeline=text", arguments)
    run = make_run_on(tmp_path / "shards", "lenet1-anna-digits", *text)
    assets = bundle_assets(run.spec)
    Bundle.write(tmp_path / "bundle", _spec(), {}, assets)
    kept = Bundle.open(tmp_path / "bundle").asset("target.tokenizer.json")
    with open_stream(run.spec, World(), 0) as stream:
        batch = next(iter(stream)).tensors
    decoded = Tokenizer(kept).decode(batch["target"][0].tolist())
    assert decoded.endswith(".") and decoded in (tmp_path / "source" / "train.tsv").read_text()


def _spec() -> BundleSpec:
    edge = TensorSpec(dtype="float32", shape=(1,), layout="C", units="")
    return BundleSpec(architecture=Architecture(name="lenet1"), task="t", inputs={"input": edge},
                      outputs={"output": edge})  # fmt: skip
