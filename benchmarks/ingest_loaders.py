"""Loaders of training crops that `ingest.py` compares, each in a process of its own.

    python ingest_loaders.py LOADER FOLDER      prints images a second

FOLDER holds the same JPEG files as a folder, as Striate's shards, as tars for WebDataset and as MDS
shards for MosaicML Streaming. Every loader gives shuffled batches of 32 random resized 224×224
crops, half of them mirrored, normalised, float32, with labels. Peers decode and resize with Pillow,
as torchvision's transforms do; Striate adds AlexNet's colour noise. All have two workers: processes
for the peers, threads for Striate, whose decoding needs no interpreter lock.
"""

import io
import math
import os
import random
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

BATCH, SIZE, WORKERS = 32, 224, 2
WARM_UP_BATCHES = 8
_MEAN = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
_STD = torch.tensor([58.395, 57.12, 57.375])[:, None, None]


def crop(image: Image.Image) -> Tensor:
    """A random resized crop by Pillow, mirrored half of the time, normalised."""
    width, height = image.size
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1.0)
        shape = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if w <= width and h <= height:
            break
    else:
        w = h = min(width, height)
    left, top = random.randint(0, width - w), random.randint(0, height - h)
    box = (left, top, left + w, top + h)
    small = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
    if random.random() < 0.5:
        small = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float().sub_(_MEAN).div_(_STD)


def opened(payload: bytes) -> Tensor:
    """A crop of an encoded image."""
    return crop(Image.open(io.BytesIO(payload)).convert("RGB"))


class Folder(Dataset[tuple[Tensor, int]]):
    """Files of a folder, the number of their subfolder being the label."""

    def __init__(self, folder: Path) -> None:
        classes = sorted(path for path in folder.iterdir() if path.is_dir())
        self.files = [
            (file, i) for i, path in enumerate(classes) for file in sorted(path.iterdir())
        ]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        file, label = self.files[index]
        return opened(file.read_bytes()), label


def folder_loader(folder: Path) -> Iterable[Any]:
    """PyTorch's DataLoader on the folder."""
    return DataLoader(Folder(folder / "train"), BATCH, shuffle=True, num_workers=WORKERS)


def webdataset_loader(folder: Path) -> Iterable[Any]:
    """WebDataset on tars."""
    import webdataset as wds

    tars = sorted(str(path) for path in (folder / "tars").glob("*.tar"))
    dataset = wds.WebDataset(tars, shardshuffle=100, nodesplitter=wds.split_by_node)
    samples = dataset.shuffle(1000).to_tuple("jpg", "cls").map_tuple(opened, int).batched(BATCH)
    loader: Iterable[Any] = wds.WebLoader(samples, batch_size=None, num_workers=WORKERS)
    return loader


def streaming_loader(folder: Path) -> Iterable[Any]:
    """MosaicML Streaming on its shards."""
    from streaming import StreamingDataset

    class Crops(StreamingDataset):  # type: ignore[misc]
        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            sample = super().__getitem__(index)
            return opened(sample["jpg"]), int(sample["cls"])

    dataset = Crops(local=str(folder / "mds"), shuffle=True, batch_size=BATCH)
    return DataLoader(dataset, BATCH, num_workers=WORKERS)


def striate_loader(folder: Path) -> Iterator[Any]:
    """Striate's stream on its shards: one epoch."""
    from striate.data.pipelines.registry import pipeline_of
    from striate.data.stream.spec import StreamSpec
    from striate.data.stream.stream import Stream

    pipeline = pipeline_of("imagenet-train", {"size": SIZE}, training=True)
    shards = folder / "shards"
    with Stream(shards, StreamSpec("train", BATCH, seed=0, pipeline=pipeline, threads=2)) as stream:
        for _ in range(stream.rows_per_epoch // BATCH):
            batch = next(stream)
            yield batch.images, batch.labels


LOADERS: dict[str, Callable[[Path], Iterable[Any]]] = {
    "folder": folder_loader,
    "webdataset": webdataset_loader,
    "streaming": streaming_loader,
    "striate": striate_loader,
}


def images_a_second(loader: Iterable[Any]) -> float:
    """Over one epoch, after the first batches."""
    began, images = 0.0, 0
    for index, (batch, _) in enumerate(loader):
        assert batch.shape[1:] == (3, SIZE, SIZE)
        if index == WARM_UP_BATCHES:
            began = time.perf_counter()
        elif index > WARM_UP_BATCHES:
            images += len(batch)
    return images / (time.perf_counter() - began)


def whole_images_a_second(folder: Path) -> float:
    """Whole images decoded and thrown away, by simplejpeg in a thread a core."""
    from simplejpeg import decode_jpeg

    payloads = [file.read_bytes() for file, _ in Folder(folder / "train").files[:1024]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode_jpeg, payloads[:64]))
        began = time.perf_counter()
        for _ in pool.map(lambda start: [*map(decode_jpeg, payloads[start::64])], range(64)):
            pass
        return len(payloads) / (time.perf_counter() - began)


def write_tars(files: Folder, target: Path) -> None:
    """The files as WebDataset's tars of 256."""
    target.mkdir()
    for start in range(0, len(files), 256):
        with tarfile.open(target / f"{start:06d}.tar", "w") as tar:
            for index in range(start, min(start + 256, len(files))):
                file, label = files.files[index]
                for kind, content in (("jpg", file.read_bytes()), ("cls", str(label).encode())):
                    member = tarfile.TarInfo(f"{index:06d}.{kind}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def write_mds(files: Folder, target: Path) -> None:
    """The files as MosaicML's shards."""
    from streaming import MDSWriter

    with MDSWriter(out=str(target), columns={"jpg": "bytes", "cls": "int"}) as writer:
        for file, label in files.files:
            writer.write({"jpg": file.read_bytes(), "cls": label})


def main(kind: str, folder: Path) -> float:
    """Measure one loader."""
    torch.manual_seed(0)
    if kind == "simplejpeg":
        return whole_images_a_second(folder)
    return images_a_second(LOADERS[kind](folder))


if __name__ == "__main__":
    if sys.argv[1] == "write-mds":
        write_mds(Folder(Path(sys.argv[2]) / "train"), Path(sys.argv[2]) / "mds")
    else:
        print(main(sys.argv[1], Path(sys.argv[2])))
