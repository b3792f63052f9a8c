"""From a corpus to verified shards: restartable, idempotent, on Ray when there is one.

The shards are planned from the source alone, so every run, whatever interrupted the one before
and however many workers it has, writes the same bytes. A finished shard leaves a small record
beside it; the manifest, written last, makes the folder usable and the records needless.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from striate.core.errors import DataError
from striate.data.corpora.base import AS_FOUND, FolderOptions
from striate.data.ingest.leftovers import find_leftovers
from striate.data.ingest.plan import plan_sha256, plan_shards
from striate.data.ingest.request import DEFAULT_SHARD_MB, IngestReport, IngestRequest
from striate.data.ingest.resume import find_finished, sweep
from striate.data.ingest.tasks import IngestJob, write_shards
from striate.data.shards.manifest import KEYS_KEPT, MANIFEST_FILE, Columns, Manifest, ShardEntry
from striate.data.shards.schema import OpenCorpus, asset_bytes, hash_asset
from striate.data.storage import Source, Target

__all__ = ["DEFAULT_SHARD_MB", "IngestReport", "IngestRequest", "ingest"]

_EXAMPLES = 3


def ingest(
    corpus: str,
    source: Path | str | Source,
    target: Path | str | Target,
    *,
    shard_mb: float = DEFAULT_SHARD_MB,
    workers: int | None = None,
    size: int | None = None,
    max_skipped: float = 1.0,
    recheck: bool | None = None,
    folder: FolderOptions = AS_FOUND,
    progress: Callable[[int, int], None] | None = None,
) -> IngestReport:
    """Turn a corpus into a folder or bucket of shards and a manifest.

    Runs as Ray tasks where Ray is initialised, else in this process. Run again after an
    interruption it keeps finished shards, and after damage it mends what is damaged.

    Args:
        corpus: name in `striate.data.corpora.CORPORA`.
        source: path or URI of the corpus in its published layout; for a bundled or generated
            corpus, a local folder that is missing is written first.
        target: path or URI for the shards.
        shard_mb: megabytes of samples in a shard.
        workers: Ray tasks at a time; as many as the cluster runs when None.
        size: size of a generated corpus that is written first.
        max_skipped: share of the samples that may be left out.
        recheck: whether finished shards are hashed again; see `IngestRequest`.
        folder: how a folder of one's own files is read.
        progress: called with (finished shards, all shards).

    Raises:
        UnknownName: no corpus of that name.
        UsageError: a number or an address that cannot be meant.
        DataError: the source is missing or damaged, the target holds other shards, or more than
            `max_skipped` of the samples cannot be used.
        PlatformError: the disk is full, or a place is lost or refuses; what was finished stays
            finished.
    """
    began = time.perf_counter()
    request = IngestRequest(
        corpus=corpus,
        source=Source.of(source),
        target=Target.of(target),
        shard_mb=shard_mb,
        workers=workers,
        size=size,
        max_skipped=max_skipped,
        recheck=recheck,
        folder=folder,
    )
    opened = request.open()
    leftovers = find_leftovers(request.target)
    plan = plan_shards(opened, shard_mb)
    same = plan_sha256(corpus, opened.source_sha256, Columns.of(opened), opened.labels, shard_mb)
    places = request.source, request.target
    job = IngestJob(corpus, *places, opened.source_sha256, same, folder)
    done = find_finished(job, plan, recheck)
    kept = len(done)
    report = progress or _quiet
    report(kept, len(plan))
    items = sum(len(sizes) for sizes in opened.item_bytes.values())
    todo = [shard for shard in plan if shard.file not in done]
    _hold_limit(done.values(), items, max_skipped)
    for entry in write_shards(job, opened, todo, workers):
        done[entry.file] = entry
        _hold_limit(done.values(), items, max_skipped)
        report(len(done), len(plan))
    manifest = _manifest(request, opened, [done[shard.file] for shard in plan])
    _write_assets(request.target, opened)
    request.target.write(MANIFEST_FILE, manifest.to_json().encode())
    swept = sweep(job, plan, leftovers)
    return IngestReport(
        corpus=corpus,
        target=request.target.name,
        splits=manifest.splits,
        shards=len(plan),
        written=len(todo),
        kept=kept,
        bytes=manifest.bytes,
        written_bytes=sum(done[shard.file].bytes for shard in todo),
        skipped=manifest.skipped,
        skipped_keys=manifest.skipped_keys,
        flaws=manifest.flaws,
        flawed_keys=manifest.flawed_keys,
        seconds=time.perf_counter() - began,
        sha256=manifest.sha256,
        swept=swept,
    )


def _manifest(request: IngestRequest, opened: OpenCorpus, entries: list[ShardEntry]) -> Manifest:
    splits = dict.fromkeys(opened.item_bytes, 0)
    for entry in entries:
        splits[entry.split] += entry.rows
    if not sum(splits.values()):
        raise DataError(
            f"Not one sample of {request.source} can be used{_examples(entries)}.",
            f"See which layout the corpus {request.corpus} has in the documentation.",
        )
    return Manifest(
        corpus=request.corpus,
        columns=Columns.of(opened),
        splits=splits,
        labels=opened.labels,
        shards=_lean(entries),
        source_sha256=opened.source_sha256,
        shard_mb=request.shard_mb,
        assets={name: hash_asset(content) for name, content in sorted(opened.assets.items())},
    )


def _lean(entries: Iterable[ShardEntry]) -> tuple[ShardEntry, ...]:
    """The entries with the first names of each reason only: few, however many shards there are."""
    skipped: dict[str, int] = {}
    flawed: dict[str, int] = {}
    return tuple(
        entry.model_copy(
            update={
                "skipped_keys": _take(entry.skipped_keys, skipped),
                "flawed_keys": _take(entry.flawed_keys, flawed),
            }
        )
        for entry in entries
    )


def _take(names: Mapping[str, tuple[str, ...]], left: dict[str, int]) -> dict[str, tuple[str, ...]]:
    """The first names of each reason, as long as there is room `left` for them."""
    taken = {}
    for reason, keys in names.items():
        room = left.setdefault(reason, KEYS_KEPT)
        if room and keys:
            taken[reason] = keys[:room]
            left[reason] = room - len(taken[reason])
    return taken


def _write_assets(target: Target, opened: OpenCorpus) -> None:
    for name, content in opened.assets.items():
        target.write(name, asset_bytes(content))


def _hold_limit(entries: Iterable[ShardEntry], items: int, max_skipped: float) -> None:
    """Stop as soon as more is skipped than was allowed of the whole corpus."""
    if max_skipped >= 1:
        return
    entries = list(entries)
    skipped = sum(sum(entry.skipped.values()) for entry in entries)
    if skipped > max_skipped * items:
        raise DataError(
            f"More than the allowed {max_skipped:.2%} of {items:,} samples cannot be used:"
            f" {skipped:,} up to here{_examples(entries)}.",
            "Mend the source, or allow more with --max-skipped; finished shards are kept.",
        )


def _examples(entries: Iterable[ShardEntry]) -> str:
    """`: 3 truncated image (a.jpg, b.jpg, …)` for each reason."""
    counts: dict[str, int] = {}
    names: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        for reason, count in entry.skipped.items():
            counts[reason] = counts.get(reason, 0) + count
            names[reason] = names.get(reason, ()) + entry.skipped_keys.get(reason, ())
    told = []
    for reason, count in sorted(counts.items()):
        more = ", …" if count > _EXAMPLES else ""
        told.append(f"{count:,} × {reason} ({', '.join(names[reason][:_EXAMPLES])}{more})")
    return f": {'; '.join(told)}" if told else ""


def _quiet(done: int, total: int) -> None:
    del done, total
