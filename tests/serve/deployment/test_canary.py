"""New versions under traffic: tried on a share of the calls, kept, taken back, rolled back."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from striate.core.bundle import Bundle, BundleSpec
from striate.core.errors import RolledBack, UsageError
from striate.core.settings import Settings
from striate.models import build_from
from striate.serve.client.client import Client
from striate.serve.common.probe_image import probe_image
from striate.serve.deployment import ray_serve
from striate.serve.deployment.canary import CanaryTrial
from striate.serve.deployment.canary_analysis import Bounds
from striate.serve.deployment.deploy import (
    Deployed,
    deploy,
    list_apps,
    rollback,
    undeploy,
)
from striate.serve.edge.app_table import DeployedApp, edge_folder, read_table

pytestmark = pytest.mark.cluster
NAME = "trial"
Write = Callable[..., Bundle]


@pytest.fixture(scope="module")
def settings(ray_cluster: Any) -> Settings:
    settings: Settings = ray_cluster.settings
    return settings


@pytest.fixture(scope="module")
def deployed(settings: Settings, bundle: Bundle) -> Iterator[Deployed]:
    """The application, with the version that every test leaves in place."""
    yield deploy("photos", str(bundle.path), settings, name=NAME)
    undeploy(NAME, settings)


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory, write_bundle: Write) -> Bundle:
    """Another version that works."""
    return write_bundle(tmp_path_factory.mktemp("better") / "digits", seed=1)


@pytest.fixture(scope="module")
def blinded(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Bundle:
    """A version that answers a grey photo well, and is blinded by a bright one.

    Several factors, each within what a step may be given, take a pixel over 170 beyond the range
    of float32, and the first layer's weights are as small, so that darker ones come out as they
    should.
    """
    larger = [{"op": "scale", "factor": 1e9}] * 4
    steps: list[dict[str, Any]] = []
    for step in bundle.spec.preprocessing:
        steps += [*larger, {**step, "factor": 2.0}] if step["op"] == "scale" else [step]
    state = build_from(bundle).state_dict()
    first = next(name for name in state if name.endswith("weight"))
    state[first] = state[first] * 1e-36
    spec = BundleSpec(**{**bundle.spec.model_dump(), "preprocessing": tuple(steps)})
    return Bundle.write(tmp_path_factory.mktemp("blinded") / "digits", spec, state)


def entry(settings: Settings) -> DeployedApp:
    found = read_table(edge_folder(settings.home)).find(NAME)
    assert found is not None
    return found


def test_a_canary_takes_its_share_and_then_all(
    deployed: Deployed, settings: Settings, better: Bundle, bundle: Bundle, traffic: Any
) -> None:
    shares: list[float] = []
    with traffic(deployed.address, NAME) as found:
        new = deploy(
            "photos", str(better.path), settings, name=NAME,
            trial=CanaryTrial(percent=30, seconds=4),
            on_progress=lambda _: shares.append(entry(settings).canary_percent),
        )  # fmt: skip
        found.until(calls=50)
    assert not found.failed
    assert shares[-1] == 30
    first = found.versions.index(better.digest)
    seen = found.versions[first : len(found.versions) - found.versions[::-1].index(bundle.digest)]
    share = seen.count(better.digest) / len(seen)
    assert 0.1 < share < 0.6, f"{share:.0%} of {len(seen)} calls went to the canary"
    assert new.version == found.versions[-1] == better.digest
    assert [former.version for former in entry(settings).history] == [bundle.digest]

    with traffic(deployed.address, NAME) as found:
        back = rollback(NAME, settings)
        found.until(calls=20)
    assert not found.failed
    assert back.version == found.versions[-1] == bundle.digest
    assert entry(settings).history == ()
    with pytest.raises(UsageError, match="no version before"):
        rollback(NAME, settings)


def test_a_version_that_fails_calls_is_taken_back(
    deployed: Deployed, settings: Settings, blinded: Bundle, bundle: Bundle, traffic: Any
) -> None:
    """Its probes pass; its real calls do not."""
    with traffic(deployed.address, NAME) as found:
        with pytest.raises(RolledBack, match=r"failed \d+ of \d+ calls; at most 1.00% may fail"):
            deploy(
                "photos", str(blinded.path), settings, name=NAME,
                trial=CanaryTrial(percent=20, seconds=60),
            )  # fmt: skip
        failed = len(found.failed)
        found.until(calls=50)
    assert failed
    assert len(found.failed) == failed, "once it is taken back, no call fails any more"
    assert all("not finite" in said for said in found.failed)
    assert found.versions[-1] == bundle.digest
    assert entry(settings).canary is None


def test_a_version_that_is_too_slow_is_taken_back(
    deployed: Deployed, settings: Settings, better: Bundle, bundle: Bundle, traffic: Any
) -> None:
    with traffic(deployed.address, NAME) as found:
        with pytest.raises(RolledBack, match=r"took longer than 0.5 ms"):
            deploy(
                "photos", str(better.path), settings, name=NAME,
                trial=CanaryTrial(percent=100, seconds=60, bounds=Bounds(max_latency_ms=0.5)),
            )  # fmt: skip
        found.until(calls=20)
    assert not found.failed
    assert found.versions[-1] == bundle.digest


def test_a_version_whose_replica_dies_on_trial_is_taken_back(
    deployed: Deployed, settings: Settings, better: Bundle, bundle: Bundle, listeners: Any
) -> None:
    """Nobody calls meanwhile: its own probes and Serve's word are enough."""

    def kill_the_canary(what: str) -> None:
        if "of the calls" in what:
            canary = entry(settings).canary
            assert canary is not None
            (pid,) = listeners(canary.addresses)
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(RolledBack, match=better.digest):
        deploy(
            "photos", str(better.path), settings, name=NAME,
            trial=CanaryTrial(percent=10, seconds=60), on_progress=kill_the_canary,
        )  # fmt: skip
    with Client(deployed.address, NAME) as client:
        assert client.tag(probe_image()).version == bundle.digest


def test_a_version_on_trial_is_seen_and_can_be_taken_back_by_hand(
    deployed: Deployed, settings: Settings, better: Bundle, bundle: Bundle
) -> None:
    said: list[BaseException] = []

    def try_it() -> None:
        try:
            trial = CanaryTrial(percent=10, seconds=300)
            deploy("photos", str(better.path), settings, name=NAME, trial=trial)
        except RolledBack as error:
            said.append(error)

    trying = threading.Thread(target=try_it)
    trying.start()
    deadline = time.monotonic() + 60
    while (entry(settings).canary_percent != 10) and time.monotonic() < deadline:
        time.sleep(0.05)
    (listed,) = [found for found in list_apps(settings) if found.app.name == NAME]
    assert listed.app.canary is not None
    assert listed.app.canary.version == better.digest
    assert rollback(NAME, settings).version == bundle.digest
    trying.join(timeout=60)
    assert "withdrawn" in str(said[0])
    assert entry(settings).canary is None
    assert len([name for name in ray_serve.states() if name.startswith(f"{NAME}.")]) == 1
