"""What an ingest finds when it is run again, and what it leaves behind when it is done."""

from pydantic import ValidationError

from striate.core.errors import DataError, PlatformError
from striate.data.ingest.leftovers import Leftovers, remove_leftovers
from striate.data.ingest.plan import ShardPlan, plan_sha256
from striate.data.ingest.request import Swept
from striate.data.ingest.tasks import IngestJob, ShardRecord
from striate.data.shards.manifest import MANIFEST_FILE, RECORDS_FOLDER, Manifest, ShardEntry
from striate.data.shards.shard import is_whole


def find_finished(
    job: IngestJob, plan: list[ShardPlan], recheck: bool | None
) -> dict[str, ShardEntry]:
    """The shards of this very plan that an earlier run left, whole.

    Args:
        job: the ingest.
        plan: its shards.
        recheck: whether to hash them again; None: only where they lie in a local folder.

    Raises:
        DataError: the target holds other shards.
    """
    hashed = job.target.local is not None if recheck is None else recheck
    known = _from_manifest(job) | _from_records(job)
    return {
        shard.file: known[shard.file]
        for shard in plan
        if shard.file in known and is_whole(job.target, known[shard.file], hashed)
    }


def sweep(job: IngestJob, plan: list[ShardPlan], leftovers: Leftovers) -> Swept:
    """Remove what interrupted runs left: records, shards of another plan, what is half written.

    Args:
        job: the ingest.
        plan: its shards.
        leftovers: what was half written before it began; younger ones may be those of another
            ingest into the same target.
    """
    planned = {shard.file for shard in plan}
    for file in _record_files(job):
        if file not in planned:
            job.target.remove(file)
    job.target.remove_folder(RECORDS_FOLDER)
    try:
        removed = remove_leftovers(job.target, leftovers)
    except PlatformError as error:  # the shards are whole: no reason to fail
        return Swept(unknown=str(error))
    return Swept(count=removed.removed, bytes=removed.bytes, unknown=leftovers.unknown)


def _from_manifest(job: IngestJob) -> dict[str, ShardEntry]:
    if not job.target.exists(MANIFEST_FILE):
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


def _from_records(job: IngestJob) -> dict[str, ShardEntry]:
    found = {}
    for file in _record_files(job):
        try:
            content = job.target.read(f"{RECORDS_FOLDER}/{file}.json")
            record = ShardRecord.model_validate_json(content)
        except (ValidationError, DataError):  # damaged, or another ingest has swept it up
            continue
        if record.plan_sha256 == job.plan_sha256:
            found[file] = record.entry
    return found


def _record_files(job: IngestJob) -> list[str]:
    """The shards that have a record."""
    try:
        names = [entry.path.rpartition("/")[2] for entry in job.target.list(RECORDS_FOLDER)]
    except DataError:
        return []  # there are none, or another ingest has swept them up
    return [name.removesuffix(".json") for name in names if name.endswith(".arrow.json")]
