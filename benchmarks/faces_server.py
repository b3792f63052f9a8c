"""A server of faces in a process of its own, around networks of DeepFace's published size.

Their weights are random, but for those of the detector, which are set by hand to a bright blob's on
a dark ground: it finds the faces of `photo_of`, and what is measured is time. The services are made
as a replica makes them; the index lies in the server's process, as it does outside a Ray cluster.
"""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import torch
from faces_codes import MILLION, random_rows
from PIL import Image
from serve_sides import beside

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.data.pipelines.aligned_faces import aligned_faces
from striate.data.pipelines.face_windows import STEPS
from striate.data.transforms.binary_codes import CODES_FILE, CodeProjection
from striate.models import build
from striate.models.evaluation.face_bundles import DETECTOR_FILE
from striate.models.evaluation.pose_manifold import pose_points
from striate.models.face_pose import FacePose
from striate.serve.identities.segment import Hashing
from striate.serve.protos.striate.v1 import face_recognition_pb2 as face_pb
from striate.serve.protos.striate.v1 import face_recognition_pb2_grpc as face_grpc

REGION = "US"
"""Where faces are on."""
NAME = "somebody"
"""Who is enrolled: the face of the look 1."""
PHOTO = (500, 375)
RADIUS = 32
_SIDE, _PEOPLE, _UNITS = 152, 4030, 4096
_WITHIN_S = 120


def photo_of(*looks: int) -> bytes:
    """A JPEG of 500×375 pixels with so many faces, each with a look of its number."""
    photo = Image.new("RGB", PHOTO)
    line = np.arange(2 * RADIUS) - RADIUS + 0.5
    inside = Image.fromarray(np.hypot(line[:, None], line) < RADIUS)
    for place, look in enumerate(looks):
        colours = np.random.default_rng(look).integers(130, 256, (8, 8, 3), dtype=np.uint8)
        face = Image.fromarray(colours).resize((2 * RADIUS,) * 2, Image.Resampling.BICUBIC)
        middle = round(PHOTO[0] * (place + 1) / (len(looks) + 1))
        photo.paste(face, (middle - RADIUS, PHOTO[1] // 2 - RADIUS), inside)
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=95)
    return out.getvalue()


def write_network(path: Path) -> Path:
    """DeepFace as published, 118.9 million parameters, with codes of a random projection."""
    torch.manual_seed(0)
    architecture = Architecture(name="deepface", arguments={})
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        inputs={"input": _tensor(3, _SIDE, _SIDE)},
        outputs={"output": TensorSpec(dtype="float32", shape=(_PEOPLE,), layout="C", units="x")},
        preprocessing=aligned_faces({"size": _SIDE}, training=False).preprocessing,
        labels=tuple(f"person {number}" for number in range(_PEOPLE)),
    )
    codes = path.with_suffix(".npz")
    matrix = np.random.default_rng(0).standard_normal((_UNITS, 256)).astype(np.float32)
    projection = CodeProjection(np.ones(_UNITS, np.float32), np.zeros(_UNITS, np.float32), matrix)
    codes.write_bytes(projection.to_bytes())
    return Bundle.write(path, spec, build(architecture).state_dict(), {CODES_FILE: codes}).path


def write_detector(path: Path) -> Path:
    """The network of 2007, which tells a bright blob on a dark ground."""
    model = FacePose()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for layer in (model.c1, model.c3):
            layer.kernels[0] = 1 / 25
        for smaller in (model.s2, model.s4):
            smaller.coefficient.fill_(1)
        model.c5.kernels[0] = -0.5 / 16
        model.c5.kernels[0, 1:4, 1:4] = 0.5 / 9  # the middle less its surroundings
        model.f6.weight[:, 0] = pose_points(torch.tensor(0.0), torch.tensor(0.0))
    spec = BundleSpec(
        architecture=Architecture(name="face_pose"),
        task="face_pose",
        inputs={"input": _tensor(1, 32, 32)},
        outputs={"point": TensorSpec(dtype="float32", shape=(9,), layout="C", units="x")},
        preprocessing=STEPS,
    )
    assets = {DETECTOR_FILE: json.dumps({"threshold": 0.8})}
    return Bundle.write(path, spec, model.state_dict(), assets).path


def _tensor(*shape: int) -> TensorSpec:
    return TensorSpec(dtype="float32", shape=shape, layout="CHW", units="intensity")


@contextmanager
def faces_served(
    folder: Path, tagger: Path, codes: int, tables: Hashing | None = None
) -> Iterator[tuple[str, face_pb.Descriptor]]:
    """`FaceRecognition` and `Photos` on one store; the address, and how `NAME` is described.

    Somebody is enrolled; beside them the index of each service holds random codes.

    Args:
        folder: of bundles, store and crops.
        tagger: the bundle of `Photos`' tagger.
        codes: how many, of the store's first tenant.
        tables: as a deployment's `hash_tables`.
    """
    models = {
        "network": str(write_network(folder / "network")),
        "detector": str(write_detector(folder / "detector")),
        "tagger": str(tagger),
    }
    with beside(_serve, folder, models, codes, tables) as (server, address):
        enrolled = _enrolled(address)
        server.send("fill")
        if not server.poll(_WITHIN_S):
            raise RuntimeError("the index of faces is not filled")
        server.recv()
        yield address, enrolled


def _serve(
    folder: Path, models: dict[str, str], codes: int, tables: Hashing | None, pipe: Connection
) -> None:
    from striate.serve.apps import analyze, faces
    from striate.serve.server.server import ModelServer

    torch.set_num_threads(1)  # as in a replica
    network, detector = models["network"], models["detector"]
    shared: dict[str, Any] = {
        "home": folder, "store": str(folder / "faces.db"), "kept": folder / "kept",
        "region": REGION, "quality": {}, "detector": detector, "hash_tables": tables,
    }  # fmt: skip
    recognition = faces.services(faces.FacesArgs(network=network, **shared))
    analysis = analyze.services(
        analyze.AnalyzeArgs(tagger=models["tagger"], faces=network, people=True, **shared)
    )
    server = ModelServer([*recognition, *analysis])
    server.own_process()
    pipe.send(server.address)
    pipe.recv()
    services: list[Any] = [recognition[0], analysis[0]._models["faces"]]  # type: ignore[attr-defined]
    for service in services:
        index = service._context.kept.index
        index.follow()  # knows the model, and is not made anew for it
        step = codes if tables else MILLION  # tables are made anew when segments grow together
        for start in range(MILLION, MILLION + codes, step):  # beside what the store has
            index._live.index.update(random_rows(start, min(step, MILLION + codes - start)))
    pipe.send("filled")
    pipe.recv()
    server.stop(1)


def _enrolled(address: str) -> face_pb.Descriptor:
    """The descriptor of one face, who is enrolled as `NAME`."""
    photo = photo_of(1)
    with grpc.insecure_channel(address) as channel:
        stub: Any = face_grpc.FaceRecognitionStub(channel)  # type: ignore[no-untyped-call]
        enrolment = face_pb.EnrollRequest(image=photo, region=REGION, person=NAME)
        stub.Enroll(enrolment, timeout=_WITHIN_S)
        question = face_pb.DescribeRequest(image=photo, region=REGION)
        (face,) = stub.Describe(question, timeout=_WITHIN_S).faces
    descriptor: face_pb.Descriptor = face.descriptor
    return descriptor
