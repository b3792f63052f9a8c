"""A sample of every table that the command line prints, for `test_tables`."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from striate.cli import (
    apps,
    chips,
    data_kb,
    data_show,
    demo,
    faces_tables,
    faces_webhooks,
    jobs,
    load,
    models,
    plan,
    platform,
    pools,
    query,
    query_answers,
    query_language,
    runs,
    runs_compare,
    runs_show,
    stories,
    sweep_progress,
    token,
    top,
)
from striate.cli.tables import Table

ROOT = Path(__file__).parents[2]
BEGAN_S = 1_795_000_000.0
Make = Callable[["Content"], Table | list[Table]]


@dataclass(frozen=True)
class Content:
    """What stands in the cells.

    Attributes:
        name: of a model, an application, a recipe.
        id: of a run, a digest, a version.
        text: a sentence.
        figures: numbers, taken in turn.
        rows: of each table, where it may have any number.
        columns: of tables that have as many as runs or fields.
    """

    name: str
    id: str
    text: str
    figures: tuple[float, ...]
    rows: int
    columns: int

    def figure(self, index: int) -> Any:
        """A number."""
        return self.figures[index % len(self.figures)]

    def count(self, index: int) -> int:
        """A whole number."""
        return abs(int(self.figure(index))) if abs(self.figure(index)) < 1e300 else 10**18

    def names(self) -> list[str]:
        """As many names as there are rows, all different."""
        return [f"{self.name}{number}" for number in range(self.rows)]

    def ids(self) -> list[str]:
        """As many as there are columns."""
        return [f"{number:02}{self.id}" for number in range(self.columns)]


USUAL = Content(
    "lenet5-digits", "4c645a1f43f3", "It answers.", (0.9861, 12.5, 1797.0, 0.0, 5.091e-28), 3, 2
)
CONTENTS = {
    "usual": USUAL,
    "empty": Content("none", "0", "", (0.0,), 0, 1),
    "long": Content(
        "a-name-that-somebody-has-made-of-all-that-there-is-to-be-said-of-a-model-at-all-",
        "9" * 64, "Words and further words that say what to do about it now. " * 6,
        (1e300, -1e300, 123456789.123, 5.091e-28, 1e-300), 12, 2,
    ),
    "wide characters": Content(
        "数字分类器-", "手写", "漢字 の 長い 文 が 続く " * 5, (0.5, 1e6), 4, 2
    ),
    "no numbers": Content(
        "tab\tnew\nline \x1b[31mred\x1b[0m [bold]x[/bold] :smile: ", "[link=x]y[/link]",
        "one\r\ntwo \x07 three", (float("nan"), 0.5, -0.0), 2, 2,
    ),
    "many columns": Content("lenet5-digits", "4c645a1f43f3", "It.", (0.9861, 2.5e-7), 3, 24),
}  # fmt: skip


def thing(**fields: Any) -> Any:
    """Something that has these attributes."""
    return SimpleNamespace(**fields)


def _apps(c: Content) -> Table:
    return apps.apps_table(
        [
            thing(
                app=thing(
                    name=name, app="photos", model=c.name, version=c.id, pool="chip:anna-talk",
                    replicas="1:4", canary=thing(version=c.id), canary_percent=10.0, history=[1],
                ),
                status="RUNNING", running=1, wanted=2,
            )
            for name in c.names()
        ]
    )  # fmt: skip


def _top(c: Content) -> Table:
    return top.top_table(
        [
            thing(
                app=name, replicas=2, rate=c.figure(0), errors=c.figure(1), p50_ms=c.figure(2),
                p99_ms=None, mean_batch=c.figure(3), queue_ms=c.figure(4), in_flight=c.count(1),
                queued=0, memory_bytes=c.count(2), versions={f"{c.name}/{c.id}": c.figure(0)},
            )
            for name in c.names()
        ]
    )  # fmt: skip


def _chips(c: Content) -> Table:
    return chips.chips_table(
        [
            thing(
                name=name, weight=thing(bits=6), state=thing(bits=3), clock_hz=c.figure(0),
                peak_ops_per_s=None, weight_capacity=c.count(2), title=c.text,
            )
            for name in c.names()
        ]
    )  # fmt: skip


def _known(c: Content) -> dict[str, Any]:
    return {name: thing(source="measured", note=c.text) for name in c.names()}


def _report(c: Content) -> list[Table]:
    rows = [
        thing(
            name=name, where="chip", evaluations=c.count(0), cycles=c.figure(1),
            stall_cycles=c.count(2), macs=c.count(3), utilisation=None, traffic_bytes=c.count(4),
        )
        for name in c.names()
    ]  # fmt: skip
    return chips.report_tables(
        thing(
            rows=rows, chip=c.name, seconds_low=c.figure(0), seconds_high=None, seconds=c.figure(1),
            energy_pj=c.figure(2), cycles=c.figure(3), batch=1, characters_per_s=c.figure(4),
            provenance=_known(c),
        )
    )  # fmt: skip


def _result(c: Content) -> Table:
    result = thing(
        chip=c.name, rows=c.count(2), accuracy=c.figure(0), float_accuracy=None,
        predicted_characters_per_s=c.figure(1), emulated_characters_per_s=c.figure(2),
    )  # fmt: skip
    return chips.result_table(result, "test")


def _relations(c: Content) -> Table:
    return data_kb.relations_table(
        [thing(name=name, facts=c.count(2), label=c.text, hierarchical=True) for name in c.names()]
    )


def _samples(c: Content) -> Table:
    extra = {f"field_{number}": c.text for number in range(c.columns)}
    rows = [
        {"row": number, "key": name, "label": c.id, "bytes": c.count(2), "times": [1], **extra}
        for number, name in enumerate(c.names() or ["one"])
    ]
    return data_show.samples_table(c.name, rows)


def _shards(c: Content) -> Table:
    rows = [
        thing(file=name, split="train", rows=c.count(0), bytes=c.count(2), sha256=c.id)
        for name in c.names()
    ]
    return data_show.shards_table(c.name, thing(shards=rows))


def _folders(c: Content) -> Table:
    splits = {"train": c.count(2), "test": c.count(0)}
    one = thing(corpus=c.name, splits=splits, shards=[1, 2], bytes=c.count(2))
    return data_show.folders_table(c.name, dict.fromkeys(c.names(), one))


def _measured(c: Content) -> Table:
    keys = ("accuracy", "requests", "p50_ms", "chip_accuracy", "chip_characters_per_s")
    return demo.measured_table({key: c.figure(index) for index, key in enumerate(keys)})


def _jobs(c: Content) -> Table:
    return jobs.jobs_table(
        [
            thing(job_id=name, status="RUNNING", started_unix_s=BEGAN_S, seconds=c.figure(0))
            for name in c.names()
        ]
    )


def _load(c: Content) -> Table:
    document = {
        "asked_per_s": c.figure(0), "answered_per_s": c.figure(1), "calls": c.count(2),
        "latency_ms": {"p50": c.figure(0), "p99": c.figure(4)}, "outcomes": {"OK": c.count(2)},
    }  # fmt: skip
    return load.load_table(c.name, document)


def _models(c: Content) -> Table:
    return models.models_table(
        [
            thing(
                name=name, version=1234, aliases=("champion", c.name), metrics={"top1": 5.091e-28},
                created_unix_s=BEGAN_S, run_id=c.id,
            )
            for name in c.names()
        ]
    )  # fmt: skip


def _model(c: Content) -> Table:
    tensor = thing(dtype="float32", layout="CHW", shape=(1, "height", 32))
    spec = thing(
        provenance=thing(
            metrics={"top1": c.figure(0), "loss": c.figure(4)}, recipe=c.name, run_id=c.id,
            data_manifest_sha256="a" * 64, source_revision=None,
        ),
        architecture=thing(name=c.name, package="other", version=c.id), task="classification",
        inputs=dict.fromkeys(c.names(), tensor), outputs={"output": tensor},
        labels=tuple(c.text.split()), preprocessing=[{"op": "resize"}, {"op": "scale"}],
    )  # fmt: skip
    return models.model_table(c.name, spec, thing(uri=f"models:/{c.name}/1", aliases=["a", "b"]))


def _plan(c: Content) -> Table:
    rows = [
        thing(
            app=name, replicas=c.count(0), gpus=1, cpus=c.figure(1), load_share=c.figure(0),
            mean_batch=c.figure(2), p99_ms=c.figure(4),
        )
        for name in c.names()
    ]  # fmt: skip
    return plan.plan_table(thing(apps=rows))


def _addresses(c: Content) -> Table:
    keys = ("tracking_uri", "ray_dashboard", "ray_address", "grpc_address")
    return platform.addresses_table(dict.fromkeys(keys, f"http://{c.id}:5000"))


def _parts(c: Content) -> Table:
    return platform.parts_table(
        [
            thing(name=name, healthy=False, problem=c.text, address=None, pid=123456,
                  since_s=BEGAN_S, memory_bytes=c.count(2))
            for name in c.names()
        ]
    )  # fmt: skip


def _checks(c: Content) -> Table:
    return platform.checks_table(
        [thing(result="fail", name=c.name, found=c.text, remedy=c.text) for _ in range(c.rows)]
    )


def _pools(c: Content) -> Table:
    return pools.pools_table(
        [
            thing(name=name, kind="chip", total=4.0, free=c.figure(0), nodes=[1],
                  labels={c.name: c.id, "zone": "a"})
            for name in c.names()
        ]
    )  # fmt: skip


def _tags(c: Content) -> Table:
    labels = [thing(name=name, score=c.figure(number)) for number, name in enumerate(c.names())]
    return query.tags_table(
        Path(c.name), thing(model=c.name, version=c.id, labels=labels), c.figure(1)
    )


def _analysis(c: Content) -> Table:
    labels = [thing(name=name, score=c.figure(number)) for number, name in enumerate(c.names())]
    tags = thing(status="OK", reason="", vector=(), labels=labels, model=thing(name=c.name))
    late = thing(status="LATE", reason=c.text, vector=(), labels=(), model=thing(name=""))
    return query.analysis_table(c.name, thing(tags=tags, faces=late, content=late))


def _answered(c: Content) -> Table:
    fact = thing(subject=c.name, relation=c.text, object=c.name)
    answers = [
        thing(text=name, score=c.figure(0), path=[fact, fact], memories=[thing(text=c.text)])
        for name in c.names()
    ]
    model = thing(name=c.name, version=c.id)
    return query_answers.answers_table(c.text, thing(answers=answers, model=model))


def _near(c: Content) -> Table:
    words = [thing(word=name, cosine=c.figure(number)) for number, name in enumerate(c.names())]
    model = thing(name=c.name, version=c.id)
    return query_language.near_table(c.text, thing(words=words, model=model))


def _stories(c: Content) -> Table:
    return stories.stories_table([thing(name=name, sentences=c.count(2)) for name in c.names()])


def _sentences(c: Content) -> Table:
    told = [thing(number=c.count(0), text=c.text, at_unix_s=BEGAN_S) for _ in range(c.rows)]
    return stories.sentences_table(c.name, told)


def _run(c: Content) -> Any:
    metrics = {
        "test/top1": c.figure(0), "test/loss": c.figure(4), "train/loss": c.figure(1),
        "train/restarts": float(c.count(0)), "train/samples_per_s": c.figure(2),
    }  # fmt: skip
    return thing(
        run_id=c.id, url="http://host/run", recipe=c.name, tags={"trial": "2", "code": c.id},
        status="FINISHED", score=c.figure(0), headline="top1", seconds=c.figure(1),
        started_unix_s=BEGAN_S, metrics=metrics, parameters=dict.fromkeys(c.names(), c.text),
    )  # fmt: skip


def _published(c: Content) -> Table:
    known = [
        thing(metric="top1", value=0.818, how=c.text, source=c.text, certainty="recalled")
        for _ in range(c.rows)
    ]
    return runs_show.published_table(_run(c), known)


def _metrics(c: Content) -> Table:
    values = {
        "test/top1": [c.figure(n) for n in range(c.columns)],
        "train/loss": [None] * c.columns,
    }
    return runs_compare.metrics_table(thing(metrics=values, differences=values), c.ids())


def _costs(c: Content) -> Table:
    names = ("seconds of training", "images a second, median", "share waited for data", "restarts")
    values = {name: [c.figure(n) for n in range(c.columns)] for name in names}
    return runs_compare.costs_table(values, c.ids())


def _trials(c: Content) -> Table:
    values = {f"{c.name}.{number}": c.figure(number) for number in range(c.columns)}
    trials = [
        {
            "run_id": c.id, "values": values, "error": c.text if number % 2 else "",
            "score": c.figure(number), "metrics": {"loss": c.figure(4)}, "seconds": c.figure(1),
        }
        for number in range(max(1, c.rows))
    ]  # fmt: skip
    return sweep_progress.trials_table(trials, "top1")


def _tokens(c: Content) -> Table:
    return token.tokens_table(
        [
            thing(name=name, scopes=["tag", "infer", c.id], rate=100, created_unix_s=int(BEGAN_S),
                  expires_unix_s=int(BEGAN_S), expired=True)
            for name in c.names()
        ]
    )  # fmt: skip


def _detected(c: Content) -> Any:
    quality = thing(
        size_px=c.figure(0), sharpness=c.figure(1), yaw_deg=c.figure(2), roll_deg=-c.figure(0)
    )
    return thing(
        box=_box(c), confidence=c.figure(0), quality=quality, poor=thing(message=c.text)
    )  # fmt: skip


def _box(c: Content) -> Any:
    return thing(left=c.figure(0), top=0.5, width=0.25, height=c.figure(1))


def _described(c: Content) -> Table:
    model = thing(network=thing(name=c.name, version=c.id))
    descriptor = thing(vector=[0.0] * 64, code=bytes(range(32)), model=model)
    faces = [thing(face=_detected(c), descriptor=descriptor)] * c.rows
    return faces_tables.described_table(c.name, faces)


def _enrolled(c: Content) -> Table:
    face = thing(
        outcome=1 + c.rows % 3, face_id=c.count(0), person_id=0, face=_detected(c),
        failure=thing(message=c.text),
    )  # fmt: skip
    return faces_tables.enrolled_table(c.name, [face] * c.rows)


def _found(c: Content) -> Table:
    match = thing(face_id=c.count(0), person_id=7, person=c.name, photo_id=c.id, score=c.figure(0))
    known = thing(known=True, matches=[match, match])
    stranger = thing(known=False, matches=[], score=c.figure(0), HasField=lambda _: True)
    return faces_tables.found_table(c.name, [known, stranger] * c.rows)


def _people(c: Content) -> Table:
    people = [
        thing(id=c.count(0), name=name, faces=c.count(1), hidden=True, cover_face_id=7)
        for name in c.names()
    ]
    return faces_tables.people_table("People", people)


def _kept(c: Content) -> Table:
    face = thing(
        id=c.count(0), person_id=7, photo_id=c.id, box=_box(c), by_hand=True,
        quality=thing(size_px=c.figure(0)), enrolled_unix_s=BEGAN_S,
    )  # fmt: skip
    return faces_tables.kept_table(c.name, [face] * c.rows)


def _clusters(c: Content) -> list[Table]:
    group = thing(
        face_ids=range(c.rows * 9), cover_face_id=1, nearest_person_id=2, score=c.figure(0)
    )
    same = thing(person_id=1, other_id=c.count(0), score=c.figure(0), pairs=c.count(1))
    return faces_tables.cluster_tables(thing(groups=[group] * c.rows, same_people=[same] * c.rows))


def _forgotten(c: Content) -> Table:
    counts = dict.fromkeys(("faces", "descriptors", "codes", "people", "crops", "events"), 3)
    left = {"index rows": 0, "index parts that did not answer": c.count(0)}
    return faces_tables.forgotten_table(c.text, thing(**counts, left=left))


def _imported(c: Content) -> list[Table]:
    names = ("photos", "enrolled", "known", "refused", "without_face", "failed")
    failure = thing(photo_id=c.name, failure=thing(message=c.text))
    return [
        faces_tables.imported_table(c.name, thing(**dict.fromkeys(names, c.count(0)))),
        faces_tables.failures_table([failure] * c.rows),
    ]


def _letters(c: Content) -> Table:
    return faces_webhooks.letters_table(
        [
            thing(id=c.count(0), at_unix_s=BEGAN_S, deployment=name, hook=c.name, dead=False,
                  body=json.dumps({"data": {"kind": "no_face"}}), attempts=3, due_unix_s=BEGAN_S,
                  error=c.text)
            for name in c.names()
        ]
    )  # fmt: skip


def _sorted(c: Content) -> Table:
    rows = [
        {"photo": name, "folder": c.name, "score": c.figure(0), "sure": True} for name in c.names()
    ]
    table: Table = _own_model().sorted_table(rows)
    return table


def _own_model() -> ModuleType:
    """The command of examples/own_model, which is not installed here."""
    path = ROOT / "examples" / "own_model" / "own_model" / "command.py"
    spec = importlib.util.spec_from_file_location("own_model_command", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKERS: dict[str, Make] = {
    "apps.apps_table": _apps,
    "top.top_table": _top,
    "chips.chips_table": _chips,
    "chips.provenance_table": lambda c: chips.provenance_table(c.name, thing(provenance=_known(c))),
    "chips.report_tables": _report,
    "chips.result_table": _result,
    "data_kb.relations_table": _relations,
    "data_show.samples_table": _samples,
    "data_show.shards_table": _shards,
    "data_show.folders_table": _folders,
    "demo.measured_table": _measured,
    "demo.seconds_table": lambda c: demo.seconds_table(dict.fromkeys(c.names(), c.figure(0))),
    "faces_tables.detected_table": lambda c: faces_tables.detected_table(
        c.name, [_detected(c)] * c.rows
    ),
    "faces_tables.described_table": _described,
    "faces_tables.enrolled_table": _enrolled,
    "faces_tables.found_table": _found,
    "faces_tables.people_table": _people,
    "faces_tables.kept_table": _kept,
    "faces_tables.cluster_tables": _clusters,
    "faces_tables.forgotten_table": _forgotten,
    "faces_tables.imported_table": lambda c: _imported(c)[0],
    "faces_tables.failures_table": lambda c: _imported(c)[1],
    "faces_webhooks.letters_table": _letters,
    "jobs.jobs_table": _jobs,
    "load.load_table": _load,
    "models.models_table": _models,
    "models.model_table": _model,
    "plan.plan_table": _plan,
    "platform.addresses_table": _addresses,
    "platform.parts_table": _parts,
    "platform.checks_table": _checks,
    "pools.pools_table": _pools,
    "query.tags_table": _tags,
    "query.analysis_table": _analysis,
    "query_answers.answers_table": _answered,
    "query_language.near_table": _near,
    "stories.stories_table": _stories,
    "stories.sentences_table": _sentences,
    "runs.runs_table": lambda c: runs.runs_table([_run(c)] * c.rows),
    "runs_compare.metrics_table": _metrics,
    "runs_compare.costs_table": _costs,
    "runs_compare.differences_table": lambda c: runs_compare.differences_table(
        "data", {name: [c.text] * c.columns for name in c.names()}, c.ids()
    ),
    "runs_show.held_out_table": lambda c: runs_show.held_out_table(_run(c)),
    "runs_show.published_table": _published,
    "runs_show.course_table": lambda c: runs_show.course_table(_run(c)),
    "runs_show.startup_table": lambda c: runs_show.startup_table(
        dict.fromkeys(c.names(), c.figure(0))
    ),
    "runs_show.origin_table": lambda c: runs_show.origin_table(_run(c)),
    "runs_show.recipe_table": lambda c: runs_show.recipe_table(_run(c)),
    "sweep_progress.trials_table": _trials,
    "token.tokens_table": _tokens,
    "command.sorted_table": _sorted,
}
"""Each function that makes a table, by module and name, and a sample of what it makes."""


def samples() -> Iterator[tuple[str, Table]]:
    """Every table with every content, named."""
    for maker, make in MAKERS.items():
        for kind, content in CONTENTS.items():
            made = make(content)
            for number, table in enumerate(made if isinstance(made, list) else [made]):
                yield f"{maker} {number} {kind}", table
