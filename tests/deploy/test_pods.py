"""What every pod must have, and that the objects refer to each other rightly."""

from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.unit

Manifest = dict[str, Any]


def pod_templates(objects: list[Manifest]) -> Iterator[Manifest]:
    """The pod template of every workload, Ray's included."""
    for item in objects:
        spec = item.get("spec", {})
        if item["kind"] == "Deployment":
            yield spec["template"]
        elif item["kind"] in {"RayCluster", "RayService"}:
            cluster = spec.get("rayClusterConfig", spec)
            yield cluster["headGroupSpec"]["template"]
            yield from (group["template"] for group in cluster["workerGroupSpecs"])


def selects(selector: Manifest, labels: Manifest) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def egress_ports(policy: Manifest) -> set[int]:
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", [])}


def named(objects: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def test_every_container_is_bounded_and_has_no_rights(chart: Any, values: Manifest) -> None:
    for template in pod_templates(chart.objects(values)):
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in template["spec"]["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= set(container["resources"][kind])


def test_every_container_runs_the_chosen_image(chart: Any) -> None:
    image = {"repository": "registry.example.com/striate", "tag": "7"}
    for template in pod_templates(chart.objects({"image": image, "imagePullSecrets": ["key"]})):
        (container,) = template["spec"]["containers"]
        assert container["image"] == "registry.example.com/striate:7"
        assert template["spec"]["imagePullSecrets"] == [{"name": "key"}]


def test_only_an_autoscaling_head_gets_an_api_token(chart: Any, values: Manifest) -> None:
    objects = chart.objects(values)
    accounts = {"default", *named(objects, "ServiceAccount")}
    for template in pod_templates(objects):
        spec = template["spec"]
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]
        if "serviceAccountName" in spec:
            assert spec["serviceAccountName"] in accounts
            assert spec["automountServiceAccountToken"] is False
        else:
            assert component.endswith("-head")
    assert all(
        not a["automountServiceAccountToken"] for a in named(objects, "ServiceAccount").values()
    )


def test_selectors_find_pods_and_nothing_selects_another_release(
    chart: Any, values: Manifest
) -> None:
    objects = chart.objects(values)
    pods = [template["metadata"]["labels"] for template in pod_templates(objects)]
    for item in objects:
        spec = item.get("spec", {})
        selector = spec.get("selector", {})
        labels = selector.get("matchLabels", selector if item["kind"] == "Service" else None)
        if not labels:
            continue
        assert labels["app.kubernetes.io/instance"] == "demo"
        assert any(selects(labels, pod) for pod in pods), item["metadata"]["name"]
        if item["kind"] == "Deployment":
            assert selects(labels, spec["template"]["metadata"]["labels"])


def test_ports_and_volumes_that_are_named_exist(chart: Any, values: Manifest) -> None:
    objects = chart.objects(values)
    templates = list(pod_templates(objects))
    for template in templates:
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        for container in template["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                port = container.get(probe, {}).get("httpGet", {}).get("port")
                assert port is None or port in ports
    for service in named(objects, "Service").values():
        backing = [
            t for t in templates if selects(service["spec"]["selector"], t["metadata"]["labels"])
        ]
        for port in service["spec"]["ports"]:
            for template in backing:
                names = {p["name"] for c in template["spec"]["containers"] for p in c["ports"]}
                assert port["targetPort"] in names


def test_claims_and_configmaps_that_are_mounted_exist(chart: Any, values: Manifest) -> None:
    objects = chart.objects(values)
    for template in pod_templates(objects):
        for volume in template["spec"]["volumes"]:
            if claim := volume.get("persistentVolumeClaim"):
                assert claim["claimName"] in named(objects, "PersistentVolumeClaim")
            if config := volume.get("configMap"):
                assert config["name"] in named(objects, "ConfigMap")


def test_no_secret_stands_in_the_rendered_objects(chart: Any, values: Manifest) -> None:
    objects = chart.objects(values)
    assert not named(objects, "Secret")
    for template in pod_templates(objects):
        for container in template["spec"]["containers"]:
            for variable in container.get("env", []):
                secret = any(word in variable["name"] for word in ("SECRET", "ACCESS_KEY", "TOKEN"))
                assert not secret or "secretKeyRef" in variable["valueFrom"]


def test_ray_talks_to_this_release_s_mlflow_and_mlflow_answers_that_name(chart: Any) -> None:
    objects = chart.objects({})
    uris = {
        variable["value"]
        for template in pod_templates(objects)
        for variable in template["spec"]["containers"][0].get("env", [])
        if variable["name"] == "MLFLOW_TRACKING_URI"
    }
    (uri,) = uris
    host = uri.removeprefix("http://")
    assert host.split(".")[0] in named(objects, "Service")
    (container,) = named(objects, "Deployment")["demo-striate-mlflow"]["spec"]["template"]["spec"][
        "containers"
    ]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert host in environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert environment["MLFLOW_BACKEND_STORE_URI"].startswith("sqlite:////var/lib/mlflow/")


def test_production_mlflow_reads_its_database_from_a_secret(chart: Any) -> None:
    mlflow = {"database": {"type": "postgresql", "uriSecret": {"name": "db", "key": "uri"}}}
    deployment = chart.find({"mlflow": mlflow}, "Deployment", "-mlflow")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (uri,) = [v for v in container["env"] if v["name"] == "MLFLOW_BACKEND_STORE_URI"]
    assert uri["valueFrom"]["secretKeyRef"] == {"name": "db", "key": "uri"}


def test_network_policies_let_names_and_the_api_be_asked(chart: Any) -> None:
    objects = chart.objects({"networkPolicy": {"enabled": True}})
    policies = named(objects, "NetworkPolicy")
    assert set(policies) == {f"demo-striate-{part}" for part in ("ray", "mlflow", "edge")}
    for policy in policies.values():
        open_ports = {p["port"] for rule in policy["spec"]["egress"] for p in rule.get("ports", [])}
        assert 53 in open_ports
    ray_ports = [
        rule["ports"] for rule in policies["demo-striate-ray"]["spec"]["egress"] if "ports" in rule
    ]
    assert any({"port": 6443, "protocol": "TCP"} in ports for ports in ray_ports)
