"""The shards of an ingest being written: one after the other here, or as Ray tasks."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from striate.core.errors import DataError, StriateError
from striate.data.corpora import ALL_CORPORA
from striate.data.corpora.base import AS_FOUND, FolderOptions
from striate.data.ingest.plan import ShardPlan
from striate.data.shards.manifest import RECORDS_FOLDER, Columns, ShardEntry
from striate.data.shards.schema import OpenCorpus
from striate.data.shards.shard import write_shard
from striate.data.storage import Source, Target, explain_storage_error

if TYPE_CHECKING:
    import ray


class ShardRecord(BaseModel):
    """What a finished shard leaves beside it until the manifest is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan_sha256: str
    entry: ShardEntry


@dataclass(frozen=True)
class IngestJob:
    """What a worker must know to write any shard of an ingest."""

    corpus: str
    source: Source
    target: Target
    source_sha256: str
    plan_sha256: str
    folder: FolderOptions = AS_FOUND

    def record_file(self, shard: ShardPlan) -> str:
        """Where in the target the finished shard's record goes."""
        return f"{RECORDS_FOLDER}/{shard.file}.json"

    def __reduce__(self) -> "tuple[Callable[..., IngestJob], tuple[str | FolderOptions, ...]]":
        """Places go to workers as their URIs."""
        places = (self.source.uri, self.target.uri)
        hashes = (self.source_sha256, self.plan_sha256)
        return _job, (self.corpus, *places, *hashes, self.folder)


def write_shards(
    job: IngestJob, opened: OpenCorpus, todo: list[ShardPlan], workers: int | None
) -> Iterator[ShardEntry]:
    """Write shards and yield their entries as they are finished.

    Args:
        job: the ingest.
        opened: its source.
        todo: the shards to write.
        workers: Ray tasks at a time; as many as the cluster runs when None.

    Raises:
        DataError: the source is damaged, or differs between nodes.
        PlatformError: the disk is full.
    """
    import ray

    if todo and ray.is_initialized():
        yield from _on_ray(job, todo, workers)
    else:
        yield from (_write_one(job, opened, shard) for shard in todo)


def _on_ray(job: IngestJob, todo: list[ShardPlan], workers: int | None) -> Iterator[ShardEntry]:
    import ray

    write = ray.remote(num_cpus=1, max_retries=3)(_open_and_write)
    waiting = list(reversed(todo))
    running: list[ray.ObjectRef[ShardEntry]] = []
    try:
        while waiting or running:
            while waiting and (workers is None or len(running) < workers):
                running.append(write.remote(job, waiting.pop()))
            (finished, *_), running = ray.wait(running)
            yield ray.get(finished)
    except ray.exceptions.RayTaskError as error:
        raise _cause(error) from None
    finally:
        _abandon(running)


def _abandon(running: "list[ray.ObjectRef[ShardEntry]]") -> None:
    """After a failure or an interruption: no task writes on once the caller has been told."""
    import ray

    for task in running:
        ray.cancel(task)
    for task in running:
        with suppress(ray.exceptions.RayError):
            ray.get(task)


def _cause(error: BaseException) -> BaseException:
    """What a task raised, without Ray's wrapping, where that is for the user to mend."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, StriateError) else error


def _open_and_write(job: IngestJob, shard: ShardPlan) -> ShardEntry:
    """What a Ray task does: read its part of the source for itself."""
    opened = _opened(job.corpus, job.source.uri, job.folder, job.source_sha256)
    if opened.source_sha256 != job.source_sha256:
        _opened.cache_clear()
        raise DataError(
            f"The source {job.source} is not the same on every node, or changes while it is read.",
            "Name a folder that all nodes share, and leave it alone.",
        )
    return _write_one(job, opened, shard)


@lru_cache(maxsize=1)
def _opened(corpus: str, uri: str, folder: FolderOptions, source_sha256: str) -> OpenCorpus:
    """The source, opened once by each worker process: a big one takes a while to list."""
    del source_sha256  # it makes another state of the same source another entry
    return ALL_CORPORA.find(corpus).open_as(Source.of(uri), folder)


def _job(
    corpus: str,
    source: str,
    target: str,
    source_sha256: str,
    plan_sha256: str,
    folder: FolderOptions,
) -> IngestJob:
    places = Source.of(source), Target.of(target)
    return IngestJob(corpus, *places, source_sha256, plan_sha256, folder)


def _write_one(job: IngestJob, opened: OpenCorpus, shard: ShardPlan) -> ShardEntry:
    """Write one shard, then its record: a record without its shard is never seen.

    The records' folder vanishes under it when another ingest into the target ends, which has
    written the manifest by then: no record is needed any more.
    """
    items = opened.read(shard.split, shard.start, shard.stop)
    columns, classes = Columns.of(opened), len(opened.labels)
    with explain_storage_error(job.source.name, "corpus"):
        entry = write_shard(job.target, shard.file, shard.split, columns, classes, items)
    record = ShardRecord(plan_sha256=job.plan_sha256, entry=entry)
    with suppress(DataError):
        job.target.write(job.record_file(shard), record.model_dump_json().encode())
    return entry
