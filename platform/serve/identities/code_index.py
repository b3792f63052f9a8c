"""The index of codes: which are nearest, exactly, while faces come and go.

Each tenant has segments of its own, so a search reads no row of another. Segments are never
changed: an update makes a new list of them and puts it in place of the old one, in one assignment.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numpy as np

from striate.serve.identities.answers import Nearest
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.fingerprint import check_codes
from striate.serve.identities.segment import Hashing, Segment
from striate.serve.identities.shared_scans import SharedScans

SEGMENT_ROWS = 1 << 20
"""Of a full segment: 32 MiB of codes, the piece that a thread scans at a time."""
HASHED_SEGMENT_ROWS = 1 << 24
"""With hash tables, which cost a look-up a segment, segments are larger."""
GROWTH = 2
"""A segment is merged with the one before it unless that is so many times larger."""
DEAD_SHARE = 0.25
"""Removed rows at which a segment is written anew."""
MOST_SHARING = 16
"""Codes of a search that may share a scan; for more of them the others would wait too long."""


class CodeIndex:
    """Codes of any number of tenants.

    Searches may run in any number of threads while one thread at a time updates; they wait for no
    update, and see it whole or not at all. Those of a large tenant share scans.

    Args:
        hashing: hash tables for `look_up`; None scans there too.
        threads: that scan at a time; None takes one a core.
        segment_rows: of a full segment; None takes the size that suits `hashing`.
    """

    def __init__(
        self,
        hashing: Hashing | None = None,
        threads: int | None = None,
        segment_rows: int | None = None,
    ) -> None:
        self.hashing = hashing
        self._segment_rows = segment_rows or (HASHED_SEGMENT_ROWS if hashing else SEGMENT_ROWS)
        self._tenants: dict[int, tuple[Segment, ...]] = {}
        self._updating = threading.Lock()
        self._workers = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(
            self._workers,
            thread_name_prefix="code-index",
            initializer=faiss.omp_set_num_threads,  # of each such thread: it scans alone
            initargs=(1,),
        )
        self._shared = SharedScans(self._scan)

    def __len__(self) -> int:
        return sum(s.living for segments in self._tenants.values() for s in segments)

    def count(self, tenant_id: int) -> int:
        """Living rows of a tenant, hidden ones too."""
        return sum(segment.living for segment in self._tenants.get(tenant_id, ()))

    def count_faces(self, face_ids: np.ndarray) -> int:
        """How many of those faces have a row in memory, removed ones that still lie there too."""
        tenants = self._tenants
        return sum(
            int(np.isin(segment.face_ids, face_ids).sum())
            for segments in tenants.values()
            for segment in segments
        )

    def close(self) -> None:
        """End its threads."""
        self._pool.shutdown()

    def search(
        self, tenant_id: int, codes: np.ndarray, k: int, *, with_hidden: bool = False
    ) -> Nearest:
        """The `k` nearest faces of each query: exactly, by distance, then by face number.

        Args:
            tenant_id: whose faces.
            codes: uint8 (queries, 32).
            k: faces a query.
            with_hidden: whether hidden people's faces count.

        Raises:
            OtherModel: these are no codes.
        """
        check_codes(codes)
        asked = (tenant_id, k, with_hidden)
        large = len(self._tenants.get(tenant_id, ())) >= self._workers
        if large and len(codes) <= MOST_SHARING:
            return self._shared.search(asked, codes)
        return self._scan(asked, codes)

    def look_up(
        self, tenant_id: int, codes: np.ndarray, k: int, within: int, *, with_hidden: bool = False
    ) -> Nearest:
        """The nearest faces within a distance, by the hash tables: fast, and not always all.

        All that differ in fewer than `Hashing.sure_below` bits are among them, and some of those
        further away; without hash tables all are. The order is that of `search`.

        Args:
            tenant_id: whose faces.
            codes: uint8 (queries, 32).
            k: faces a query.
            within: the largest distance, in bits.
            with_hidden: whether hidden people's faces count.

        Raises:
            OtherModel: these are no codes.
        """
        return self._of_segments(
            tenant_id, codes, k, lambda segment, part: segment.look_up(part, k, within, with_hidden)
        )

    def _scan(self, asked: tuple[int, int, bool], codes: np.ndarray) -> Nearest:
        """As `search`, by itself."""
        tenant_id, k, with_hidden = asked
        return self._of_segments(
            tenant_id, codes, k, lambda segment, part: segment.search(part, k, with_hidden)
        )

    def _of_segments(
        self,
        tenant_id: int,
        codes: np.ndarray,
        k: int,
        scan: Callable[[Segment, np.ndarray], np.ndarray],
    ) -> Nearest:
        """Scan every segment, and where there are few, for parts of the queries at a time."""
        check_codes(codes)
        segments, queries = self._tenants.get(tenant_id, ()), len(codes)
        if not segments or not queries or k < 1:
            return Nearest.nothing(queries, max(k, 0))
        parts = np.array_split(
            np.ascontiguousarray(codes),
            1 if len(segments) >= self._workers else min(self._workers, queries),
        )
        jobs = [(segment, part) for part in parts for segment in segments]
        keys = list(self._pool.map(lambda job: scan(*job), jobs))
        count = len(segments)
        whole = [
            np.concatenate(keys[start : start + count], axis=1)
            for start in range(0, len(keys), count)
        ]
        return Nearest.from_keys(np.concatenate(whole), k)

    def update(
        self,
        rows: CodeRows,
        gone: np.ndarray | None = None,
        gone_tenants: Iterable[int] = (),
    ) -> None:
        """Put rows in place of what the index has of their faces, and remove others.

        Args:
            rows: each face once; a known one is replaced.
            gone: numbers of faces to be removed, int64 (n,).
            gone_tenants: all of whose faces are removed, before `rows` are added.
        """
        with self._updating:
            tenants = {
                tenant: segments
                for tenant, segments in self._tenants.items()
                if tenant not in set(gone_tenants)
            }
            leaving = rows.face_ids if gone is None else np.concatenate([rows.face_ids, gone])
            leaving = np.sort(leaving)
            for tenant, segments in list(tenants.items()):
                tenants[tenant] = tuple(segment.without(leaving) for segment in segments)
            for tenant in np.unique(rows.tenant_ids).tolist():
                mine = rows.take(rows.tenant_ids == tenant)
                tenants[tenant] = (*tenants.get(tenant, ()), *self._built(mine))
            self._tenants = {
                tenant: tidy
                for tenant, segments in tenants.items()
                if (tidy := self._tidied(tenant, segments))
            }

    def compact(self) -> None:
        """Write every segment with removed rows anew, so that nothing of them is in memory."""
        with self._updating:
            self._tenants = {
                tenant: tidy
                for tenant, segments in self._tenants.items()
                if (tidy := self._tidied(tenant, segments, dead_share=0.0))
            }

    def rows(self) -> Iterator[CodeRows]:
        """All living rows, a segment at a time, as they are at the call."""
        tenants = self._tenants
        return (
            segment.rows(tenant)
            for tenant, segments in tenants.items()
            for segment in segments
            if segment.living
        )

    def _built(self, rows: CodeRows) -> Iterator[Segment]:
        for start in range(0, len(rows), self._segment_rows):
            part = rows.take(slice(start, start + self._segment_rows))
            yield Segment.build(part, self.hashing)

    def _tidied(
        self, tenant: int, segments: tuple[Segment, ...], dead_share: float = DEAD_SHARE
    ) -> tuple[Segment, ...]:
        """Segments without too many removed rows, each a few times smaller than the one before."""
        kept: list[Any] = []
        for segment in segments:
            if segment.living == 0:
                continue
            if len(segment) - segment.living > dead_share * len(segment):
                segment = Segment.build(segment.rows(tenant), self.hashing)
            kept.append(segment)
        while len(kept) > 1 and self._merges(kept[-2], kept[-1]):
            last, before = kept.pop(), kept.pop()
            both = CodeRows.concatenate([before.rows(tenant), last.rows(tenant)])
            kept.append(Segment.build(both, self.hashing))
        return tuple(kept)

    def _merges(self, before: Segment, last: Segment) -> bool:
        small = before.living < GROWTH * last.living or before.living < 1024
        return small and before.living + last.living <= self._segment_rows
