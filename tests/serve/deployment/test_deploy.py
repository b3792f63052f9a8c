"""Applications on a cluster: deployed, called through the edge, killed, replaced, taken down."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import torch
from grpc_health.v1 import health_pb2, health_pb2_grpc

from striate.accelerators.chips import CHIPS
from striate.accelerators.compiler.compile import compile_program
from striate.accelerators.compiler.quantize import quantize
from striate.accelerators.placement.pools import read_pools
from striate.core.bundle import WEIGHTS_FILE, Bundle
from striate.core.errors import (
    BundleError,
    PayloadTooLarge,
    PlacementError,
    PlatformError,
    RequestError,
    StriateError,
    UnknownName,
    UsageError,
)
from striate.core.settings import Settings
from striate.data.transforms.image.preprocess import apply
from striate.models import build_from
from striate.serve.client.client import Client
from striate.serve.common.types import TagRequest
from striate.serve.deployment import ray_serve
from striate.serve.deployment.deploy import (
    Deployed,
    deploy,
    list_apps,
    rollback,
    undeploy,
)
from striate.serve.edge import control
from striate.serve.edge.app_table import edge_folder, read_table
from striate.serve.predictors import load_tagging
from striate.serve.predictors.base import answer
from striate.serve.protos.inference import inference_pb2, inference_pb2_grpc
from striate.serve.services.tagging import SERVICE

pytestmark = pytest.mark.cluster
Png = Callable[..., bytes]
CHIP = "anna-talk"


@pytest.fixture(scope="module")
def settings(ray_cluster: Any) -> Settings:
    settings: Settings = ray_cluster.settings
    return settings


@pytest.fixture(scope="module")
def deployed(settings: Settings, bundle: Bundle) -> Iterator[Deployed]:
    """The application `tagger`, taken down at the end."""
    yield deploy("photos", str(bundle.path), settings, name="tagger", check_period_s=1.0)
    undeploy("tagger", settings)


@pytest.fixture
def client(deployed: Deployed) -> Iterator[Client]:
    with Client(deployed.address, app="tagger", deadline_s=60) as client:
        yield client


@pytest.fixture(scope="module")
def replicas_of(settings: Settings, listeners: Any) -> Callable[[str], list[int]]:
    """Gives the ids of the processes of an application's replicas."""

    def find(name: str) -> list[int]:
        app = read_table(edge_folder(settings.home)).find(name)
        assert app is not None
        found: list[int] = listeners(ray_serve.replica_addresses(app.serve_name).values())
        return found

    return find


def test_it_answers_through_the_edge(
    client: Client, settings: Settings, deployed: Deployed, bundle: Bundle, png: Png
) -> None:
    assert deployed.address == settings.grpc_address
    result = client.tag(png(), top_k=3)
    assert (result.model, result.version) == (deployed.model, deployed.version)
    assert result.version == bundle.digest
    assert len(result.labels) == 3


def test_no_proxy_of_serves_runs(deployed: Deployed) -> None:
    from ray import serve

    assert not serve.status().proxies


def test_replicas_do_not_wait_behind_what_calls_them(deployed: Deployed, replicas_of: Any) -> None:
    (replica,) = replicas_of("tagger")
    assert psutil.Process(replica).nice() == psutil.Process().nice()


def test_it_is_listed(deployed: Deployed, settings: Settings) -> None:
    (listed,) = [entry for entry in list_apps(settings) if entry.app.name == "tagger"]
    assert listed.status == "RUNNING"
    assert listed.app.version == deployed.version
    host = str(settings.grpc_address).rpartition(":")[0]
    assert listed.app.addresses[0].startswith(f"{host}:"), "on the platform's interface alone"


def test_nobody_gets_around_the_edge(deployed: Deployed, settings: Settings, png: Png) -> None:
    app = read_table(edge_folder(settings.home)).find("tagger")
    assert app is not None
    with Client(app.addresses[0]) as client, pytest.raises(StriateError, match="no calls"):
        client.tag(png())


def test_health_answers_through_the_edge(deployed: Deployed) -> None:
    with grpc.insecure_channel(deployed.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        answer = stub.Check(request, metadata=(("striate-app", "tagger"),))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_bad_pictures_do_no_harm(client: Client, png: Png, broken: dict[str, bytes]) -> None:
    for payload in (*broken.values(), b"", b"x" * 21_500_000, b"x" * 50_000_000):
        with pytest.raises((RequestError, PayloadTooLarge)):
            client.tag(payload)
        assert client.tag(png()).labels


def test_calls_succeed_after_the_replica_was_killed(
    client: Client, replicas_of: Any, png: Png
) -> None:
    assert client.tag(png()).labels
    (killed,) = replicas_of("tagger")
    os.kill(killed, signal.SIGKILL)
    assert client.tag(png()).labels  # the same call, retried until the new replica answers
    assert killed not in replicas_of("tagger")


def test_a_version_that_answers_nonsense_never_takes_traffic(
    client: Client, settings: Settings, png: Png, tmp_path: Path, bundle: Bundle
) -> None:
    before = client.tag(png()).version
    state = {name: tensor * float("nan") for name, tensor in bundle.state().items()}
    broken = Bundle.write(tmp_path / "nan", bundle.spec, state)
    with pytest.raises(PlatformError, match=r"does not start.*not finite"):
        deploy("photos", str(broken.path), settings, name="tagger", timeout_s=60)
    assert client.tag(png()).version == before
    (listed,) = [entry for entry in list_apps(settings) if entry.app.name == "tagger"]
    assert listed.status == "RUNNING"


def test_a_damaged_bundle_is_refused_by_name(
    settings: Settings, tmp_path: Path, write_bundle: Callable[..., Bundle]
) -> None:
    damaged = write_bundle(tmp_path / "damaged")
    weights = damaged.path / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(BundleError, match=WEIGHTS_FILE):
        deploy("photos", str(damaged.path), settings, name="other")
    assert read_table(edge_folder(settings.home)).find("other") is None


def test_unknown_names_are_refused(settings: Settings, bundle: Bundle) -> None:
    with pytest.raises(UnknownName, match="photos"):
        deploy("photo", str(bundle.path), settings)
    with pytest.raises(UnknownName, match="nothing-here"):
        deploy("photos", "nothing-here", settings)
    with pytest.raises(UnknownName, match="nobody"):
        undeploy("nobody", settings)


def test_replicas_listen_each_by_itself_and_go_with_the_application(
    settings: Settings, bundle: Bundle, replicas_of: Any, png: Png
) -> None:
    brief = deploy("photos", str(bundle.path), settings, name="brief", replicas=2)
    assert len(replicas_of("brief")) == 2
    with Client(brief.address, app="brief", deadline_s=5) as client:
        assert client.tag(png()).labels
        undeploy("brief", settings)
        with pytest.raises((UnknownName, PlatformError)):
            client.tag(png())
    assert "brief" not in [entry.app.name for entry in list_apps(settings)]
    assert control.is_running(edge_folder(settings.home))


def test_one_replica_answers_for_many_models(
    settings: Settings, tmp_path: Path, bundle: Bundle, write_bundle: Callable[..., Bundle]
) -> None:
    other = write_bundle(tmp_path / "other", name="lenet1_32")
    many = deploy("models", (str(bundle.path), str(other.path)), settings, name="many")
    assert many.model == "lenet5_modern, lenet1_32"
    assert many.version == f"{bundle.digest}, {other.digest}"
    with grpc.insecure_channel(many.address) as channel:
        stub: Any = inference_pb2_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        for name in ("lenet5_modern", "lenet1_32"):
            request = inference_pb2.ModelReadyRequest(name=name)
            assert stub.ModelReady(request, metadata=(("striate-app", "many"),)).ready
        assert stub.ModelReady(inference_pb2.ModelReadyRequest(name="lenet1_32")).ready
    undeploy("many", settings)


def test_a_photo_goes_through_several_networks(
    settings: Settings, bundle: Bundle, small: Bundle, png: Png
) -> None:
    roles = (f"tagger={bundle.path}", f"faces={small.path}")
    looks = deploy("analyze", roles, settings, name="looks")
    with Client(looks.address, app="looks", deadline_s=60) as client:
        found = client.analyze(png(), region="US", top_k=2)
        assert (found.tags.status, found.faces.status, found.content.status) == ("OK", "OK", "OFF")
        assert (len(found.tags.labels), len(found.faces.labels)) == (2, 10)
        assert client.analyze(png(), region="DE").faces.status == "OFF"
        assert client.tag(png()).version == bundle.digest
    with grpc.insecure_channel(looks.address) as channel:
        stub: Any = inference_pb2_grpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        for name in ("lenet5_modern", "lenet1_32"):
            request = inference_pb2.ModelReadyRequest(name=name)
            assert stub.ModelReady(request, metadata=(("striate-app", "looks"),)).ready
    undeploy("looks", settings)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Bundle]) -> Bundle:
    """A bundle that fits the chip."""
    return write_bundle(tmp_path_factory.mktemp("small") / "digits", name="lenet1_32")


@pytest.fixture(scope="module")
def program(small: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its program for the chip."""
    folder = tmp_path_factory.mktemp("chip") / "program"
    noise = torch.randint(0, 256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    images = apply(small.spec.preprocessing, noise.to(torch.uint8))
    spec = CHIPS[CHIP]
    quantized = quantize(build_from(small), spec, images, retrain_last=False, qat_epochs=0)
    compile_program(quantized, spec, source=f"lenet1_32 {small.digest}").save(folder)
    return folder


@pytest.fixture
def on_chip(settings: Settings, small: Bundle, program: Path) -> Iterator[Deployed]:
    """The application `chip` on the one chip that there is."""
    where = f"chip:{CHIP}"
    yield deploy("photos", str(small.path), settings, name="chip", pool=where, program=program)
    undeploy("chip", settings)


def test_on_a_chip_it_runs_the_chips_program(
    on_chip: Deployed, small: Bundle, program: Path, png: Png
) -> None:
    (expected,) = answer(load_tagging(small, CHIP, program=program), [TagRequest(png())])
    with Client(on_chip.address, app="chip") as client:
        labels = client.tag(png()).labels
    assert isinstance(expected, list)
    assert [label.index for label in labels] == [tag.index for tag in expected]
    assert [label.score for label in labels] == pytest.approx([tag.score for tag in expected])
    (pool,) = [pool for pool in read_pools() if pool.name == CHIP]
    assert pool.free == pool.total - 1


def test_a_version_that_had_to_make_room_comes_back_when_the_new_one_fails(
    on_chip: Deployed, settings: Settings, small: Bundle, program: Path, tmp_path: Path, png: Png
) -> None:
    """The chip holds one of them; callers wait at the edge meanwhile."""
    doomed = tmp_path / "doomed"
    shutil.copytree(program, doomed)
    with (
        Client(on_chip.address, app="chip", deadline_s=120) as client,
        ThreadPoolExecutor(1) as caller,
    ):
        before = client.tag(png()).labels
        calls: list[Future[Any]] = []

        def lose_the_program(_: str) -> None:
            if doomed.exists():
                shutil.rmtree(doomed)
                calls.append(caller.submit(client.tag, png()))

        with pytest.raises(PlatformError, match="does not start"):
            deploy(
                "photos", str(small.path), settings, name="chip", pool=f"chip:{CHIP}",
                program=doomed, timeout_s=60, on_progress=lose_the_program,
            )  # fmt: skip
        assert [call.result().labels for call in calls] == [before]
    (listed,) = [entry for entry in list_apps(settings) if entry.app.name == "chip"]
    assert listed.status == "RUNNING"


def test_who_holds_a_chip_is_said_at_once_and_nothing_is_left(
    on_chip: Deployed, settings: Settings, small: Bundle, program: Path
) -> None:
    where = f"chip:{CHIP}"
    before = set(ray_serve.states())
    with pytest.raises(
        PlacementError, match=r"other has no room.* held by the application chip \(1\)"
    ) as found:
        deploy("photos", str(small.path), settings, name="other", pool=where, program=program)
    assert "`striate undeploy chip`" in found.value.remedy and "--wait" in found.value.remedy
    with pytest.raises(PlacementError, match=r"chip needs 2 chips at once.* has 1 chip"):
        deploy(
            "photos", str(small.path), settings, name="chip", pool=where, program=program,
            replicas=2, wait=True,
        )  # fmt: skip
    assert set(ray_serve.states()) == before
    assert read_table(edge_folder(settings.home)).find("other") is None


def test_who_waits_for_a_chip_gets_it_when_its_holder_goes(
    settings: Settings, small: Bundle, program: Path, png: Png
) -> None:
    where = f"chip:{CHIP}"
    deploy("photos", str(small.path), settings, name="first", pool=where, program=program)
    told: list[str] = []
    waits = threading.Event()

    def tell(stage: str) -> None:
        told.append(stage)
        if "waits for" in stage:
            waits.set()

    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(
            deploy, "photos", str(small.path), settings, name="second", pool=where,
            program=program, wait=True, on_progress=tell,
        )  # fmt: skip
        assert waits.wait(60), second.exception(0) if second.done() else told
        assert not second.done()
        undeploy("first", settings)
        deployed = second.result(120)
    (waited,) = [stage for stage in told if "waits for" in stage]
    assert waited == "second waits for 1 chip, held by the application first (1)"
    with Client(deployed.address, app="second", deadline_s=60) as client:
        assert client.tag(png()).labels
    undeploy("second", settings)


def test_a_version_that_is_ending_is_waited_for_unasked(
    settings: Settings, small: Bundle, program: Path, traffic: Any
) -> None:
    where = f"chip:{CHIP}"
    first = deploy("photos", str(small.path), settings, name="first", pool=where, program=program)
    with ExitStack() as afterwards:
        afterwards.callback(undeploy, "first", settings)
        with traffic(first.address, "first") as calls:  # it drains for as long as calls come
            calls.until(5)
            app = read_table(edge_folder(settings.home)).find("first")
            assert app is not None
            ray_serve.delete(app.serve_name, wait=False)
            deploy("photos", str(small.path), settings, name="second", pool=where, program=program)
            afterwards.callback(undeploy, "second", settings)


def test_who_gives_up_while_it_waits_leaves_nothing(
    on_chip: Deployed, settings: Settings, small: Bundle, program: Path
) -> None:
    def give_up(stage: str) -> None:
        assert "waits for 1 chip" in stage
        raise KeyboardInterrupt

    before = set(ray_serve.states())
    with pytest.raises(KeyboardInterrupt):
        deploy(
            "photos", str(small.path), settings, name="other", pool=f"chip:{CHIP}",
            program=program, wait=True, on_progress=give_up,
        )  # fmt: skip
    assert set(ray_serve.states()) == before


def test_ctrl_c_ends_replicas_that_do_not_come_up(
    settings: Settings, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed as `deploy` looks for them: Serve's configurations are no matter for two threads."""
    nowhere = {"label_selector": {"striate-test": "nowhere"}}
    look, pressed = ray_serve.states, list[str]()

    def press_ctrl_c() -> Any:
        found = look()
        if not pressed and (there := [name for name in found if name.startswith("never.")]):
            pressed.extend(there)
            signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(ray_serve, "states", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        deploy("photos", str(bundle.path), settings, name="never", actor_options=nowhere)
    assert pressed and not any(name.startswith("never.") for name in look())


def test_what_an_application_does_not_take_is_refused(settings: Settings, bundle: Bundle) -> None:
    model = str(bundle.path)
    with pytest.raises(UsageError, match="needs a model"):
        deploy("photos", (), settings, name="other")
    with pytest.raises(UsageError, match="one model"):
        deploy("photos", (model, model), settings, name="other")
    with pytest.raises(UsageError, match="colour"):
        deploy("photos", model, settings, name="other", colour="grey")
    with pytest.raises(UsageError, match="replicas '8:1'"):
        deploy("photos", model, settings, name="other", replicas="8:1")
    with pytest.raises(UnknownName, match="nobody"):
        rollback("nobody", settings)


def test_a_pool_that_is_not_there_is_refused(settings: Settings, bundle: Bundle) -> None:
    with pytest.raises(PlacementError, match="gpu"):
        deploy("photos", str(bundle.path), settings, name="other", pool="gpu")
