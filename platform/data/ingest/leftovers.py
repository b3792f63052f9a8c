"""What ingests that were interrupted leave half written: found, and removed.

In a folder these are temporary files, in a bucket uploads that were never completed. Nothing tells
the leftover of an ingest that was killed from what another one, perhaps on another machine, writes
right now. Therefore an ingest removes at its end only what was there before it began, `clean` only
what is older than an hour, and a writer whose unfinished file was taken all the same writes it
again (`striate.data.storage.Target.write`): a wrong guess costs one shard's upload, and no ingest.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from striate.core.errors import PlatformError
from striate.data.ingest.uploads import Upload, abort_uploads, find_uploads, is_s3
from striate.data.shards.manifest import RECORDS_FOLDER
from striate.data.storage import ListedFile, Target

OLD_MINUTES = 60.0
"""What an ingest that runs is writing is younger: a shard takes minutes."""


@dataclass(frozen=True)
class Leftovers:
    """What is half written in a place.

    Attributes:
        files: temporary files.
        uploads: uploads that are not completed.
        unknown: why uploads were not looked for; empty where they were.
    """

    files: Sequence[ListedFile] = ()
    uploads: Sequence[Upload] = ()
    unknown: str = ""

    @property
    def count(self) -> int:
        """Files and uploads."""
        return len(self.files) + len(self.uploads)


@dataclass(frozen=True)
class CleanReport:
    """What was removed.

    Attributes:
        target: the place, without keys.
        removed: files removed and uploads aborted.
        bytes: that they held.
        kept: files and uploads too young to be told from those of an ingest that runs.
    """

    target: str
    removed: int = 0
    bytes: int = 0
    kept: int = 0


def find_leftovers(target: Target) -> Leftovers:
    """What is half written in a target itself, not in others below it.

    That uploads cannot be looked for is no error: an ingest goes on without.

    Raises:
        PlatformError: the place does not answer or refuses.
    """
    if not is_s3(target):
        return Leftovers(files=target.temporaries())
    try:
        uploads = find_uploads(target)
    except PlatformError as error:
        return Leftovers(unknown=str(error))
    own = [up for up in uploads if up.file.removeprefix(f"{RECORDS_FOLDER}/").count("/") == 0]
    return Leftovers(uploads=own)


def remove_leftovers(target: Target, leftovers: Leftovers) -> CleanReport:
    """Remove what is still there of what was found.

    Raises:
        PlatformError: the place does not answer or refuses.
    """
    files = [file for file in leftovers.files if target.exists(file.path)]
    for file in files:
        target.remove(file.path)
    aborted, held = abort_uploads(target, leftovers.uploads) if leftovers.uploads else (0, 0)
    size = sum(file.size for file in files) + held
    return CleanReport(target.name, len(files) + aborted, size)


def clean(
    target: Target, *, older_than_minutes: float = OLD_MINUTES, now_s: float | None = None
) -> CleanReport:
    """Remove what interrupted ingests left half written, without ingesting anything.

    Args:
        target: of the ingests; of a bucket's prefix, uploads to all that lies below it.
        older_than_minutes: what is younger is kept, since an ingest may be writing it; 0 keeps
            nothing.
        now_s: seconds since 1970; by this machine's clock when None, which S3 wants right to a
            quarter of an hour.

    Raises:
        DataError: there is no such place.
        PlatformError: boto3 is not installed, or the place does not answer or refuses.
    """
    limit_s = (time.time() if now_s is None else now_s) - older_than_minutes * 60
    limit_s = limit_s if older_than_minutes else math.inf
    if is_s3(target):
        target.check()
        found = Leftovers(uploads=find_uploads(target))
    else:
        target.list()  # says it where there is no such folder
        found = Leftovers(files=target.temporaries() + target.temporaries(RECORDS_FOLDER))
    old = Leftovers(
        [file for file in found.files if file.modified_s <= limit_s],
        [upload for upload in found.uploads if upload.began_s <= limit_s],
    )
    done = remove_leftovers(target, old)
    return replace(done, kept=found.count - old.count)
