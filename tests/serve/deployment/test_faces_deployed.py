"""Faces on a cluster: registered, deployed from the command line, known again across replicas."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import ray
from ray.util import list_named_actors

from striate.core.bundle import Bundle
from striate.core.registry import register
from striate.core.retry import wait_until
from striate.core.tracking import connect
from striate.serve.common.metadata import APP_KEY
from striate.serve.identities.index_keeper import NAMESPACE
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.protos.striate.v1 import face_recognition_pb2_grpc as pb_grpc

pytestmark = pytest.mark.cluster
FacePhoto = Callable[..., bytes]
APP = "people"
LOADER = "striate.train.tracking.pyfunc"


@contextmanager
def caller(address: str) -> Iterator[Callable[..., Any]]:
    """Calls methods through the edge on a connection of its own, which has a replica of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=options) as channel:
        stub: Any = pb_grpc.FaceRecognitionStub(channel)  # type: ignore[no-untyped-call]

        def call(method: str, **fields: Any) -> Any:
            service = pb.DESCRIPTOR.services_by_name["FaceRecognition"]
            kind = service.methods_by_name[method].input_type.name
            request = getattr(pb, kind)(**fields)
            return getattr(stub, method)(request, metadata=((APP_KEY, APP),), timeout=60)

        yield call


def keepers() -> list[str]:
    return [
        one["name"] for one in list_named_actors(all_namespaces=True)
        if one["namespace"] == NAMESPACE and one["name"].startswith("faces-")
    ]  # fmt: skip


@pytest.fixture(scope="module")
def address(
    ray_cluster: Any, face_bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The edge, with two replicas of the application behind it, by registered bundles."""
    settings = ray_cluster.settings
    tracking = connect(settings.tracking_uri)
    for name in ("detector", "network"):
        run = tracking.create_run("0").info.run_id
        bundle = Bundle.open(face_bundles[name])
        register(bundle, f"faces-{name}", run, settings.tracking_uri, LOADER)
    folder = tmp_path_factory.mktemp("people")
    ray_cluster.run(
        "deploy", "faces", "--name", APP, "--replicas", "2",
        "--model", "detector=models:/faces-detector/1",
        "--model", "network=models:/faces-network/1",
        "--set", f"store={folder / 'people.db'}", "--set", f"kept={folder}",
        "--set", "region=US", "--set", "threshold=0.8", "--set", "index_cpus=0.1",
        "--set", 'hash_tables={"tables": 13, "bits": 19, "flips": 1, "least_rows": 1}',
    )  # fmt: skip
    yield str(settings.grpc_address)
    ray_cluster.run("undeploy", APP)
    assert wait_until(lambda: not keepers(), 20, 0.2), "the index ends with the last replica"


def test_who_is_enrolled_by_one_replica_is_known_to_all(
    address: str, face_photo: FacePhoto
) -> None:
    with caller(address) as first, caller(address) as second, caller(address) as third:
        for look in range(4):
            first("Enroll", image=face_photo(look), person=f"person {look}")
            for call in (second, third, first):
                (found,) = call("Search", image=face_photo(look)).faces
                assert (found.who, found.score) == (f"person {look}", 1.0)
        (stranger,) = second("Search", image=face_photo(77)).faces
        assert (stranger.who, stranger.known) == ("unknown", False)
        assert [one.name for one in third("ListPeople").people] == [f"person {n}" for n in range(4)]


def test_an_index_that_dies_comes_back_with_everybody(address: str, face_photo: FacePhoto) -> None:
    with caller(address) as call:
        call("Enroll", image=face_photo(10), person="Ada", again=True)
        (name,) = keepers()
        keeper = ray.get_actor(name, namespace=NAMESPACE)
        ((copy,),) = ray.get(keeper.shards.remote())
        ray.kill(copy, no_restart=False)

        def knows_ada() -> bool:
            try:
                return bool(call("Search", image=face_photo(10)).faces[0].who == "Ada")
            except grpc.RpcError as error:
                known: Any = error
                assert known.code() is grpc.StatusCode.UNAVAILABLE, known.details()
                return False

        assert wait_until(knows_ada, 40, 0.2)


def test_who_is_forgotten_is_gone_from_all(address: str, face_photo: FacePhoto) -> None:
    with caller(address) as first, caller(address) as second:
        person = first("Enroll", image=face_photo(20), person="Bob").faces[0].person_id
        assert second("Search", image=face_photo(20)).faces[0].who == "Bob"
        gone = first("Forget", person_id=person)
        assert (gone.faces, gone.people, gone.crops, gone.gone) == (1, 1, 1, True), gone
        assert not second("Search", image=face_photo(20)).faces[0].known


def test_the_command_line_lists_it(ray_cluster: Any, address: str) -> None:
    began_s = time.monotonic()
    said = ray_cluster.run("apps", "ls", "--json").stdout
    assert '"app": "faces"' in said and "striate.v1.FaceRecognition" in said
    assert time.monotonic() - began_s < 60
