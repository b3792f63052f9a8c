"""What an ingest is asked for, and what it says when it is done."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from striate.core.errors import DataError, UsageError
from striate.core.files import atomic_folder
from striate.core.number_ends import MOST_COUNT
from striate.data.corpora import ALL_CORPORA
from striate.data.corpora.base import AS_FOUND, Corpus, FolderOptions
from striate.data.shards.schema import OpenCorpus
from striate.data.storage import Source, Target

DEFAULT_SHARD_MB = 128.0
MOST_SHARD_MB = 1e6


@dataclass(frozen=True)
class IngestRequest:
    """What an ingest is asked for.

    Attributes:
        corpus: name in `striate.data.corpora.CORPORA`.
        source: where the corpus lies, in its published layout.
        target: where the shards go.
        shard_mb: megabytes of samples in a shard.
        workers: Ray tasks at a time; as many as the cluster runs when None.
        size: size of a generated corpus that is written first; its own default when None.
        max_skipped: share of the samples that may be left out.
        recheck: whether finished shards are hashed again before they are kept; None: those in a
            local folder are, remote ones are not, which would fetch them all.
        folder: how a folder of one's own files is read.
    """

    corpus: str
    source: Source
    target: Target
    shard_mb: float = DEFAULT_SHARD_MB
    workers: int | None = None
    size: int | None = None
    max_skipped: float = 1.0
    recheck: bool | None = None
    folder: FolderOptions = AS_FOUND

    def check(self) -> Corpus:
        """What can be told wrong before anything starts.

        Raises:
            UnknownName: no corpus of that name.
            UsageError: a number that cannot be meant.
            DataError: there is no source.
            PlatformError: the source or the target does not answer or refuses.
        """
        chosen = ALL_CORPORA.find(self.corpus)
        self._check_numbers(chosen)
        self._check_folder(chosen)
        writes = chosen.write is not None and self.source.local is not None
        if not self.source.is_dir() and (not writes or self.source.exists()):
            raise DataError(
                f"There is no folder {self.source} to read the corpus {self.corpus} from."
            )
        self.target.check()
        return chosen

    def open(self) -> OpenCorpus:
        """Open the source; a bundled or generated corpus that is not there is written first.

        Raises:
            DataError: the source is damaged.
            PlatformError: the disk is full.
        """
        chosen = self.check()
        if chosen.write is not None and self.source.local is not None and not self.source.exists():
            with atomic_folder(self.source.local, replace=False) as folder:
                chosen.write(folder, self.size or chosen.size or 0)
        return chosen.open_as(self.source, self.folder)

    def _check_numbers(self, chosen: Corpus) -> None:
        if not 0 < self.shard_mb <= MOST_SHARD_MB:
            raise UsageError(
                f"A shard of {self.shard_mb} MB cannot be written.",
                f"Give more than 0, and {MOST_SHARD_MB:,.0f} at most.",
            )
        if self.workers is not None and not 1 <= self.workers <= MOST_COUNT:
            raise UsageError(f"{self.workers} workers cannot ingest.", f"Give 1 to {MOST_COUNT:,}.")
        if not 0 <= self.max_skipped <= 1:
            raise UsageError(
                f"A share of {self.max_skipped} cannot be skipped.", "Give a number from 0 to 1."
            )
        if self.size is None:
            return
        if chosen.size is None:
            raise UsageError(f"The corpus {self.corpus} comes in one size.", "Leave --size out.")
        if not 1 <= self.size <= MOST_COUNT:
            raise UsageError(
                f"A corpus of size {self.size} cannot be made.", f"Give 1 to {MOST_COUNT:,}."
            )

    def _check_folder(self, chosen: Corpus) -> None:
        share = self.folder.test_share
        if share is not None and not 0 <= share < 1:
            raise UsageError(
                f"A share of {share} cannot be held out.", "Give a number from 0 to less than 1."
            )
        most = self.folder.most_words
        if most is not None and not 1 <= most <= MOST_COUNT:
            raise UsageError(
                f"Texts of {most} words cannot be meant.", f"Give 1 to {MOST_COUNT:,}."
            )
        if chosen.open_with is None and self.folder != AS_FOUND:
            raise UsageError(
                f"The corpus {self.corpus} has labels and splits of its own.",
                "Leave out --table, --path-column, --label-column, --split-column, --test-share,"
                " --group-column, --languages, --most-words.",
            )


class Swept(BaseModel):
    """What an ingest removed of those that were interrupted before it.

    Attributes:
        count: half-written files, and uploads to a bucket that were not completed.
        bytes: that they held.
        unknown: why uploads were not looked for or not aborted; empty where they were.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = 0
    bytes: int = 0
    unknown: str = ""


class IngestReport(BaseModel):
    """What an ingest did.

    Attributes:
        corpus: its name.
        target: where the shards are.
        splits: split → rows.
        shards: shards there.
        written: shards written by this run.
        kept: shards that an earlier run had finished.
        bytes: size of all shards.
        written_bytes: size of the shards written by this run.
        skipped: reason → items left out.
        skipped_keys: reason → names of the first of them.
        flaws: flaw → samples that are stored in spite of it.
        flawed_keys: flaw → names of the first of them.
        seconds: time taken.
        sha256: hash of the manifest.
        swept: what interrupted ingests had left half written, and this one removed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: str
    target: str
    splits: dict[str, int]
    shards: int
    written: int
    kept: int
    bytes: int
    written_bytes: int
    skipped: dict[str, int]
    skipped_keys: dict[str, tuple[str, ...]]
    flaws: dict[str, int]
    flawed_keys: dict[str, tuple[str, ...]]
    seconds: float
    sha256: str
    swept: Swept = Swept()

    @property
    def mb_per_s(self) -> float:
        """Megabytes of shards written in a second."""
        return self.written_bytes / 1e6 / self.seconds if self.seconds else 0.0
