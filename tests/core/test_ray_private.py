"""Ray still has what Striate leans on without its promise; what it has not is told by name."""

import asyncio
import contextlib
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import psutil
import pytest

from striate.core import ray_private
from striate.core.errors import PlatformError
from striate.core.ray_private import PARTS, PrivatePart

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[2]
EVERY = [pytest.param(part, id=part.path) for use in PARTS.values() for part in use]
HOOK = "ray.train.v2._internal.execution.callback:WorkerCallback.after_init_train_context"


@pytest.mark.parametrize("part", EVERY)
def test_ray_has_not_changed(part: PrivatePart) -> None:
    change = ray_private.find_change(part)
    assert change is None, f"{part.path}, by which Striate {part.use}: {change}"


@pytest.mark.parametrize("use", PARTS)
def test_what_was_read_passes_its_check(use: str) -> None:
    ray_private.check(use)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        (PrivatePart("ray.no_such_module:name", "x"), "it is gone"),
        (PrivatePart("ray.serve:no_such_name", "x"), "it is gone"),
        (PrivatePart("ray.serve:delete", "x", ("blocking",)), "it has no blocking any more"),
        (PrivatePart("ray:__name__", "x", value="beam"), "it is 'ray'"),
        (PrivatePart("ray.serve:delete", "x", source="def erase"), "it no longer says def erase"),
    ],
)
def test_each_kind_of_change_is_told(part: PrivatePart, change: str) -> None:
    assert ray_private.find_change(part) == change


def test_a_change_is_refused_with_rays_version_and_the_parts_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray
    from ray.train.v2._internal.execution.callback import WorkerCallback

    monkeypatch.delattr(WorkerCallback, "after_init_train_context")
    ray_private.find_changes.cache_clear()
    try:
        with pytest.raises(PlatformError) as refused:
            ray_private.check("train")
    finally:
        ray_private.find_changes.cache_clear()
    assert refused.value.message.startswith(f"Ray {ray.__version__} has changed ")
    assert HOOK.replace(":", ".") in refused.value.message
    assert f"ray=={ray_private.READ_IN}" in refused.value.remedy


def test_nothing_else_touches_rays_private_parts() -> None:
    private = re.compile(
        r"ray\.(?:\w+\.)*_(?:private|internal)|ray\.dashboard|\b_blocking|AutoscalingCoordinator"
    )
    own = ROOT / "platform" / "core" / "ray_private.py"
    files = [*(ROOT / "platform").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
    leaning = [
        f"{file.relative_to(ROOT)}: {found.group()}"
        for file in files
        if file != own and (found := private.search(file.read_text(encoding="utf-8")))
    ]
    assert not leaning


def test_the_module_itself_waits_for_no_ray() -> None:
    code = "import sys, striate.core.ray_private; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_rays_binaries_read_is_in_them() -> None:
    """Settings of the C++ side, of which Python knows nothing."""
    import ray

    raylet = Path(ray.__file__).parent / "core" / "src" / "ray" / "raylet" / "raylet"
    name = ray_private.COLLECT_METRICS.removeprefix("RAY_")
    assert name.encode() in raylet.read_bytes()


def test_what_a_cluster_tells_is_no_part_of_a_commands_results(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._private import worker

    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    ray_private.tell_on_stderr()
    ray_private.tell_on_stderr()  # once is enough
    polled = iter([{"job_id": None, "error_message": "The node with node id: 1 has died."}])
    told = SimpleNamespace(
        gcs_error_subscriber=SimpleNamespace(
            subscribe=lambda: None, poll=lambda: (None, next(polled))
        ),
        current_job_id=SimpleNamespace(binary=lambda: b"1"),
    )
    with contextlib.suppress(StopIteration):
        worker.listen_error_messages(told, SimpleNamespace(is_set=lambda: False))
    out, err = capsys.readouterr()
    assert (out, err.count("The node with node id: 1 has died.")) == ("", 1)


def test_a_driver_may_name_loopback_by_its_mapped_address() -> None:
    """`striate.core.addresses.mapped_loopback` rests on Ray's leaving it alone."""
    from ray._private.services import canonicalize_bootstrap_address

    mapped = "[::ffff:127.0.0.1]:6379"
    assert canonicalize_bootstrap_address(mapped) == mapped


def test_variables_are_passed_on_for_the_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray
    from ray.train.v2._internal.constants import ENV_VARS_TO_PROPAGATE, get_env_vars_to_propagate

    context = SimpleNamespace(gcs_address="10.0.0.1:6379")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    listed = set(ENV_VARS_TO_PROPAGATE)
    with ray_private.train_environment({"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1"}):
        passed = get_env_vars_to_propagate()
    assert passed["RAY_ADDRESS"] == "10.0.0.1:6379"
    assert passed["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] == "1"
    assert listed == ENV_VARS_TO_PROPAGATE
    assert os.environ["RAY_ADDRESS"] == "auto"
    assert "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S" not in os.environ


def test_a_trainer_without_ray_data_serves_none_and_keeps_all_else() -> None:
    """Its process would be started, and Ray Data imported, with every group of workers."""
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer

    def kinds() -> list[str]:
        return [type(one).__name__ for one in trainer._create_default_callbacks()]

    trainer = TorchTrainer(lambda: None, scaling_config=ScalingConfig(num_workers=1))
    usual = kinds()
    ray_private.leave_datasets_out(trainer)
    assert usual.count("DatasetsCallback") == 1
    assert kinds() == [kind for kind in usual if kind != "DatasetsCallback"]


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ray's module of node processes, put back as it was."""
    from ray._private import services

    monkeypatch.setattr(services, "get_node", services.get_node)
    monkeypatch.setenv(ray_private.KEEP_ADDRESS, "1")
    return services


@pytest.mark.parametrize(("patience_s", "tries"), [(60.0, 4), (0.0, 1)])
def test_a_node_may_take_its_time_to_come_up(
    services: Any, monkeypatch: pytest.MonkeyPatch, patience_s: float, tries: int
) -> None:
    """A starter waits for more than the 30 s of Ray's, and not for ever."""
    from ray._private.parameter import RayParams

    asked = []

    def get_node(*node: str) -> str:
        asked.append(node)
        if len(asked) < 4:
            raise RuntimeError("it is not there")
        return "here it is"

    monkeypatch.setattr(services, "get_node", get_node)
    monkeypatch.setattr(ray_private, "_NODE_UP_WITHIN_S", patience_s)
    ray_private.bind_node(RayParams(), "127.0.0.1", True)
    with contextlib.nullcontext() if tries == 4 else pytest.raises(RuntimeError):
        assert services.get_node("127.0.0.1:1", "ab") == "here it is"
    assert asked == [("127.0.0.1:1", "ab")] * tries


@pytest.mark.usefixtures("services")
def test_a_node_listens_on_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private.parameter import RayParams

    monkeypatch.setenv(ray_private.START_HOOK, "striate.local.loopback.bind")
    monkeypatch.setenv(ray_private.KEEP_ADDRESS, "1")
    parameters = RayParams(node_ip_address="10.0.0.7", ray_client_server_port=10001)
    ray_private.bind_node(parameters, "127.0.0.1", True)
    assert (parameters.node_ip_address, parameters.ray_client_server_port) == ("127.0.0.1", None)
    assert os.environ[ray_private.KEEP_ADDRESS] == "0"
    assert ray_private.START_HOOK not in os.environ


@pytest.mark.usefixtures("services")
def test_nodes_of_one_machine_unpack_what_jobs_run_from_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray unpacks a job's files anew on each node that works for it, over what is there."""
    from ray._private.parameter import RayParams

    monkeypatch.setenv(ray_private.KEEP_ADDRESS, "1")  # put back as it was
    first, further = RayParams(), RayParams()
    ray_private.bind_node(first, "127.0.0.1", True)
    ray_private.bind_node(further, "127.0.0.1", False)
    assert first.runtime_env_dir_name == RayParams().runtime_env_dir_name
    assert further.runtime_env_dir_name != first.runtime_env_dir_name


def test_the_client_of_jobs_is_quiet() -> None:
    from ray.dashboard.modules import dashboard_sdk

    ray_private.quiet_job_client()
    assert dashboard_sdk.logger.level == logging.WARNING


def test_a_replica_opens_its_peers_server_on_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve's own start of that server, on a replica that is nothing else."""
    from ray import serve
    from ray.serve._private import replica

    async def nothing() -> None:
        return None

    context = SimpleNamespace(rank=None)
    monkeypatch.setattr(serve.context, "_get_internal_replica_context", lambda: context)
    monkeypatch.setattr(replica, "add_port_to_grpc_server", replica.add_port_to_grpc_server)
    ray_private.bind_replica("127.0.0.1")

    async def start() -> list[str]:
        server = grpc.aio.server()
        fake: Any = SimpleNamespace(
            _server=server,
            _maybe_start_direct_ingress_servers=nothing,
            _set_internal_replica_context=lambda **_: None,
            _user_callable_wrapper=SimpleNamespace(user_callable=None),
            _initialization_latency=0.0,
        )
        monkeypatch.setattr(replica, "add_ASGIServiceServicer_to_server", lambda *_: None)
        await replica.Replica._on_initialized(fake)
        port = fake._internal_grpc_port
        own = psutil.Process().net_connections("tcp")
        await server.stop(0)
        return [c.laddr.ip for c in own if c.laddr.port == port and c.status == "LISTEN"]

    assert {ip.removeprefix("::ffff:") for ip in asyncio.run(start())} == {"127.0.0.1"}
