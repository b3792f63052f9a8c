"""From a corpus on disk to verified shards: restartable, idempotent, on Ray when there is one.

The shards are planned from the source alone, so every run, whatever interrupted the one before
and however many workers it has, writes the same bytes. A finished shard leaves a small record
beside it; the manifest, written last, makes the folder usable and the records needless.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from striate.core.errors import DataError, UnknownName, UsageError
from striate.core.files import is_temporary
from striate.data.corpora import CORPORA
from striate.data.corpora.base import Corpus, OpenCorpus
from striate.data.manifest import MANIFEST_FILE, Columns, Manifest, ShardEntry
from striate.data.plan import ShardPlan, plan_sha256, plan_shards
from striate.data.shard_tasks import RECORDS_FOLDER, Job, Record, write_shards
from striate.data.shards import is_whole
from striate.data.storage import Source

DEFAULT_SHARD_MB = 128.0


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IngestReport(_Frozen):
    """What an ingest did.

    Attributes:
        corpus: its name.
        target: the folder of shards.
        splits: split → rows.
        shards: shards in the folder.
        written: shards written by this run.
        kept: shards that an earlier run had finished.
        bytes: size of all shards.
        skipped: reason → items left out.
        seconds: time taken.
        sha256: hash of the manifest.
    """

    corpus: str
    target: Path
    splits: dict[str, int]
    shards: int
    written: int
    kept: int
    bytes: int
    skipped: dict[str, int]
    seconds: float
    sha256: str


def ingest(
    corpus: str,
    source: Path | str,
    target: Path | str,
    *,
    shard_mb: float = DEFAULT_SHARD_MB,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> IngestReport:
    """Turn a corpus into a folder of shards and a manifest.

    Runs as Ray tasks where Ray is initialised, else in this process. Run again after an
    interruption it keeps finished shards, and after damage it mends what is damaged.

    Args:
        corpus: name in `striate.data.corpora.CORPORA`.
        source: folder in the corpus's published layout; for a bundled corpus, one that is
            missing is written first.
        target: folder for the shards.
        shard_mb: megabytes of images in a shard.
        workers: Ray tasks at a time; as many as the cluster runs when None.
        progress: called with (finished shards, all shards).

    Raises:
        UnknownName: no corpus of that name.
        UsageError: a wrong shard size or number of workers.
        DataError: the source is missing or damaged, or the target holds other shards.
        PlatformError: the disk is full; what was finished stays finished.
    """
    began = time.perf_counter()
    source, target = Path(source).absolute(), Path(target).absolute()
    opened = _open(check_request(corpus, source, shard_mb, workers), source)
    plan = plan_shards(opened, shard_mb)
    same = plan_sha256(corpus, opened.source_sha256, Columns.of(opened), opened.labels, shard_mb)
    job = Job(corpus, source, target, opened.source_sha256, same)
    done = _finished(job, plan)
    kept = len(done)
    report = progress or _quiet
    report(kept, len(plan))
    todo = [shard for shard in plan if shard.file not in done]
    for entry in write_shards(job, opened, todo, workers):
        done[entry.file] = entry
        report(len(done), len(plan))
    manifest = _manifest(corpus, opened, shard_mb, [done[shard.file] for shard in plan])
    manifest.write(target)
    _sweep(target, plan)
    return IngestReport(
        corpus=corpus,
        target=target,
        splits=manifest.splits,
        shards=len(plan),
        written=len(todo),
        kept=kept,
        bytes=manifest.bytes,
        skipped=manifest.skipped,
        seconds=time.perf_counter() - began,
        sha256=manifest.sha256,
    )


def check_request(corpus: str, source: Path, shard_mb: float, workers: int | None = None) -> Corpus:
    """What can be told wrong about an ingest before anything starts.

    Raises:
        UnknownName: no corpus of that name.
        UsageError: a wrong shard size or number of workers.
        DataError: there is no source.
    """
    if corpus not in CORPORA:
        raise UnknownName.of("corpus", corpus, CORPORA)
    if not shard_mb > 0:
        raise UsageError(f"A shard of {shard_mb} MB cannot be written.", "Give more than 0.")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot ingest.", "Give at least 1.")
    chosen = CORPORA[corpus]
    if not source.is_dir() and (chosen.write is None or source.exists()):
        raise DataError(f"There is no folder {source} to read the corpus {corpus} from.")
    return chosen


def _open(corpus: Corpus, source: Path) -> OpenCorpus:
    if corpus.write is not None and not source.exists():
        corpus.write(source, corpus.size or 0)
    return corpus.open(Source.of(source))


def _finished(job: Job, plan: list[ShardPlan]) -> dict[str, ShardEntry]:
    """The shards of this very plan that an earlier run left, whole."""
    known = _from_manifest(job) | _from_records(job, plan)
    return {
        shard.file: known[shard.file]
        for shard in plan
        if shard.file in known and is_whole(job.target, known[shard.file])
    }


def _from_manifest(job: Job) -> dict[str, ShardEntry]:
    if not (job.target / MANIFEST_FILE).exists():
        return {}
    try:
        there = Manifest.load(job.target)
    except DataError:
        return {}  # a damaged manifest is written anew
    held = plan_sha256(
        there.corpus, there.source_sha256, there.columns, there.labels, there.shard_mb
    )
    if held != job.plan_sha256:
        raise DataError(
            f"{job.target} holds other shards: {there.corpus} in shards of {there.shard_mb:g} MB,"
            f" from a source with the hash {there.source_sha256[:12]}.",
            "Name another target, or remove that folder first.",
        )
    return {entry.file: entry for entry in there.shards}


def _from_records(job: Job, plan: list[ShardPlan]) -> dict[str, ShardEntry]:
    found = {}
    for shard in plan:
        try:
            record = Record.model_validate_json(job.record_path(shard).read_bytes())
        except (FileNotFoundError, ValidationError):
            continue
        if record.plan_sha256 == job.plan_sha256:
            found[shard.file] = record.entry
    return found


def _manifest(
    corpus: str, opened: OpenCorpus, shard_mb: float, entries: list[ShardEntry]
) -> Manifest:
    splits = dict.fromkeys(opened.item_bytes, 0)
    for entry in entries:
        splits[entry.split] += entry.rows
    return Manifest(
        corpus=corpus,
        columns=Columns.of(opened),
        splits=splits,
        labels=opened.labels,
        shards=tuple(entries),
        source_sha256=opened.source_sha256,
        shard_mb=shard_mb,
    )


def _sweep(target: Path, plan: list[ShardPlan]) -> None:
    """Remove what interrupted runs left: records, shards of another plan, half-written files."""
    planned = {shard.file for shard in plan}
    for record in (target / RECORDS_FOLDER).glob("*.json"):
        if record.stem not in planned:
            (target / record.stem).unlink(missing_ok=True)
    shutil.rmtree(target / RECORDS_FOLDER, ignore_errors=True)
    for path in target.iterdir():
        if is_temporary(path):
            path.unlink(missing_ok=True)


def _quiet(done: int, total: int) -> None:
    del done, total
