"""Every rendered object against the definitions of those who will read it."""

import copy
import importlib
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from striate.accelerators.placement.pools import CHIP_LABEL, chip_resource
from striate.serve.apps.photos import PhotosArgs

pytestmark = pytest.mark.unit

KUBERNETES = ("1.30.0", "1.34.0")
RAY_KINDS = {"RayCluster", "RayService"}
Problems = Callable[[dict[str, Any]], list[str]]


def test_every_object_fits_its_published_schema(
    chart: Any, values: dict[str, Any], ray_problems: Problems
) -> None:
    for item in chart.objects(values):
        if item["kind"] in RAY_KINDS:
            assert ray_problems(item) == []
        else:
            for version in KUBERNETES:
                kubernetes_validate.validate(item, version, strict=True)


def test_ray_pods_fit_kubernetes_own_schema_too(chart: Any, values: dict[str, Any]) -> None:
    for item in chart.objects(values):
        for group in ray_groups(item):
            pod = {"apiVersion": "v1", "kind": "Pod", **group["template"]}
            kubernetes_validate.validate(pod, KUBERNETES[-1], strict=True)


def test_the_definitions_refuse_what_the_operator_would_drop(
    chart: Any, ray_problems: Problems
) -> None:
    service = chart.find({}, "RayService")
    broken = copy.deepcopy(service)
    broken["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["replica"] = 1
    assert any("'replica' was unexpected" in problem for problem in ray_problems(broken))
    broken = copy.deepcopy(service)
    broken["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    assert any("num-cpus" in problem for problem in ray_problems(broken))


def test_kuberay_would_accept_the_names_and_groups(chart: Any, values: dict[str, Any]) -> None:
    """The operator's own checks that no schema states (its utils/validation.go)."""
    limits = {"RayCluster": 53, "RayService": 47}
    for item in chart.objects(values):
        assert len(item["metadata"]["name"]) <= limits.get(item["kind"], 63)
        for group in ray_groups(item):
            assert "labels" not in group["rayStartParams"]
            assert "resources" not in group["rayStartParams"]
            assert group.get("minReplicas", 0) <= group.get("maxReplicas", 0)
        assert ray_groups(item) or item["kind"] not in RAY_KINDS


def test_the_longest_name_still_fits(chart: Any) -> None:
    names = {
        (item["kind"], len(item["metadata"]["name"]))
        for item in chart.objects({}, name="a-release-with-a-name-of-fifty-three-characters-it-is")
    }
    assert max(length for kind, length in names if kind == "RayService") <= 47
    assert max(length for _, length in names) <= 63


def test_the_serve_configuration_is_one_that_ray_and_the_application_take(
    chart: Any, values: dict[str, Any]
) -> None:
    for item in chart.objects(values):
        if item["kind"] != "RayService":
            continue
        config = yaml.safe_load(item["spec"]["serveConfigV2"])
        assert set(config) <= set(ServeDeploySchema.model_fields)
        (application,) = ServeDeploySchema(**config).applications
        module, _, builder = application.import_path.partition(":")
        assert callable(getattr(importlib.import_module(module), builder))
        args = PhotosArgs(**application.args)
        assert args.port == worker_port(item)


def test_no_proxy_of_serve_runs(chart: Any) -> None:
    config = yaml.safe_load(chart.find({}, "RayService")["spec"]["serveConfigV2"])
    assert ServeDeploySchema(**config).proxy_location.value == "Disabled"


def test_chip_nodes_offer_the_chip_as_resource_and_label(chart: Any) -> None:
    groups = {"workerGroups": {"anna-talk": {"enabled": True, "chipsPerPod": 2}}}
    cluster = chart.find({"cluster": groups}, "RayCluster")
    (group,) = [g for g in cluster["spec"]["workerGroupSpecs"] if g["groupName"] == "anna-talk"]
    assert group["resources"] == {chip_resource("anna-talk"): "2"}
    assert group["labels"] == {CHIP_LABEL: "anna-talk"}


def test_an_old_cluster_outlives_the_switch_and_tokens_are_on(chart: Any) -> None:
    spec = chart.find({}, "RayService")["spec"]
    assert spec["rayClusterDeletionDelaySeconds"] >= 60
    assert spec["upgradeStrategy"] == {"type": "NewCluster"}
    assert spec["rayClusterConfig"]["authOptions"] == {"mode": "token"}


def test_disabled_tokens_are_said_to_ray(chart: Any) -> None:
    """Left unsaid, Ray's own default would ask for one."""
    cluster = chart.find({"ray": {"auth": {"mode": "disabled"}}}, "RayCluster")
    for group in ray_groups(cluster):
        (container,) = group["template"]["spec"]["containers"]
        assert {"name": "RAY_AUTH_MODE", "value": "disabled"} in container["env"]


def ray_groups(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Head and worker groups of a Ray object; none for others."""
    if item["kind"] not in RAY_KINDS:
        return []
    spec = item["spec"].get("rayClusterConfig", item["spec"])
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def worker_port(service: dict[str, Any]) -> int:
    """The gRPC port that every serving worker declares."""
    ports = {
        port["containerPort"]
        for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        for port in group["template"]["spec"]["containers"][0]["ports"]
        if port["name"] == "serve"
    }
    (port,) = ports
    return int(port)
