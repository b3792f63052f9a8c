"""Images, clips, ingest, memory and start-up of the data path, against what else does the job.

The images are real photographs of scikit-image and scikit-learn, cut and scaled to 500×375 and
encoded to about 65 KB. Every loader runs in a process of its own (`ingest_loaders.py`), on the same
files, in turns. MosaicML Streaming imports torchvision and transformers, which Striate's
environment does not have; where it imports (`STRIATE_BENCH_STREAMING` may name a folder with it and
stand-ins for those two, which its reader does not use), it is measured, else the row is left out
and a line says so.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import stream_rows
import video_rows
from harness import Row, interleaved, main
from ingest_images import write_photographs
from ingest_loaders import Folder, write_tars

from striate.data.ingest.ingest import ingest
from striate.train.launch.ray_train import KEEP_MEMORY

PEERS = {"folder": 1.6, "webdataset": 1.6, "streaming": 1.3, "simplejpeg": 0.75}
NAMES = {
    "folder": "training crops: PyTorch DataLoader, 2 processes, Pillow, folder",
    "webdataset": "training crops: WebDataset, the same decoding and workers",
    "streaming": "training crops: MosaicML Streaming, the same decoding and workers",
    "simplejpeg": "training crops: simplejpeg decoding whole images alone, all cores",
}


def measure(quick: bool) -> list[Row]:
    """All rows of the data path."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        write_photographs(place / "train", 512 if quick else 3072, distinct=32 if quick else 128)
        rows = image_rows(place, 1 if quick else 5)
        rows += ingest_rows(place, 2 if quick else 5)
    return rows + stream_rows.rows(quick) + video_rows.rows(quick)


def image_rows(place: Path, rounds: int) -> list[Row]:
    """Training crops a second against each peer."""
    ingest("imagenet", place, place / "shards", shard_mb=16)
    write_tars(Folder(place / "train"), place / "tars")
    peers = [kind for kind in PEERS if kind != "streaming" or _has_streaming(place)]
    figures = interleaved([partial(_run, kind, place) for kind in ["striate", *peers]], rounds)
    ours = figures[0]
    return [
        Row(NAMES[kind], ours, figure, "images/s", PEERS[kind])
        for kind, figure in zip(peers, figures[1:], strict=True)
    ]


def ingest_rows(place: Path, rounds: int) -> list[Row]:
    """Ingest against copying the files, and two workers against one."""
    import ray

    megabytes = sum(file.stat().st_size for file, _ in Folder(place / "train").files) / 1e6

    def rate(work: Callable[[Path], object]) -> float:
        with TemporaryDirectory(dir=place) as target:
            os.sync()
            began = time.perf_counter()
            work(Path(target) / "out")
            return megabytes / (time.perf_counter() - began)

    def ingested(target: Path, workers: int | None = None) -> None:
        ingest("imagenet", place, target, shard_mb=16, workers=workers)

    def copied(target: Path) -> None:
        shutil.copytree(place / "train", target)
        os.sync()  # as ingest does for what it has written

    alone, copy = interleaved([partial(rate, ingested), partial(rate, copied)], rounds)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    one, two = (partial(rate, partial(ingested, workers=workers)) for workers in (1, 2))
    one()  # starts the worker processes
    two()
    with_one, with_two = interleaved([one, two], rounds)
    ray.shutdown()
    return [
        Row("ingest: in one process, against copying the files", alone, copy, "MB/s"),
        Row("ingest on Ray: 2 workers against 1", with_two, with_one, "MB/s"),
    ]


def _run(kind: str, place: Path) -> float:
    return float(_python(kind, place))


def _has_streaming(place: Path) -> bool:
    try:
        _python("write-mds", place)
    except subprocess.CalledProcessError as error:
        reason = str(error.stderr).strip().splitlines()[-1]
        print(f"MosaicML Streaming is left out: {reason}", file=sys.stderr)
        return False
    return True


def _python(kind: str, place: Path) -> str:
    """What `ingest_loaders.py` prints, run in a process of its own."""
    script = Path(__file__).with_name("ingest_loaders.py")
    paths = os.environ.get("STRIATE_BENCH_STREAMING", "")
    done = subprocess.run(
        [sys.executable, str(script), kind, str(place)],
        # Every loader has the allocator's settings that Striate's training workers have.
        env={**os.environ, **KEEP_MEMORY, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    np.random.seed(0)
    main(measure, __doc__, "512 photographs, one round, shorter clips and a smaller cache")
