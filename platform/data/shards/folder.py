"""A folder or bucket of finished shards, open for reading."""

from pathlib import Path
from typing import Self

from striate.core.settings import Settings
from striate.data.shards.cache import ShardCache
from striate.data.shards.manifest import Manifest, ShardEntry
from striate.data.shards.shard import Shard, open_shard, read_shard
from striate.data.storage import Source


class ShardFolder:
    """The shards of a corpus, in a local folder or behind the local cache.

    Attributes:
        place: where the shards are.
        manifest: what they hold.
        cache: keeps remote shards; None for a local folder.
    """

    def __init__(self, place: Source, manifest: Manifest, cache: ShardCache | None) -> None:
        self.place = place
        self.manifest = manifest
        self.cache = cache

    @classmethod
    def of(cls, target: Path | str | Source, cache: ShardCache | None = None) -> Self:
        """Open the shards at a path or URI.

        Args:
            target: folder or bucket prefix of shards.
            cache: keeps remote shards; the one that the settings name when None.

        Raises:
            DataError: there is no manifest, or one that cannot be used.
            PlatformError: the place does not answer or refuses.
        """
        place = Source.of(target)
        manifest = Manifest.load(place)
        if place.local is not None:
            return cls(place, manifest, None)
        return cls(place, manifest, cache or default_cache())

    def open(self, entry: ShardEntry) -> Shard:
        """Map a shard into memory, its hash checked: here, or on its arrival in the cache.

        A shard from the cache is not evicted while the returned object lives.

        Raises:
            DataError: the shard is missing or damaged; the message names it.
            PlatformError: the place does not answer or refuses, or the disk is full.
        """
        if self.cache is None:
            assert self.place.local is not None
            return open_shard(self.place.local, entry, self.manifest.columns)
        held = self.cache.fetch(self.place, entry)
        return read_shard(held.path, entry, self.manifest.columns, held)


def default_cache() -> ShardCache:
    """The cache in Striate's home, with the limit of the setting `cache_gb`."""
    settings = Settings.load()
    return ShardCache(settings.home / "cache" / "shards", round(settings.cache_gb * 1e9))
