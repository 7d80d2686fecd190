"""Checks manifests against the schemas of Kubernetes, strictly, and that their parts fit together."""

import sys

import kubernetes_validate
import yaml

WORKLOADS = ("DaemonSet", "Deployment")


def selects(selector, labels):
    return bool(selector) and selector.items() <= labels.items()


def check(objects):
    for each in objects:
        kubernetes_validate.validate(each, "1.31", strict=True)
        # A check that lets anything through would be none.
        try:
            kubernetes_validate.validate({**each, "metdata": {}}, "1.31", strict=True)
            sys.exit(f"{each['kind']}: an unknown field was not noticed")
        except kubernetes_validate.ValidationError:
            pass
    accounts = {each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"}
    namespaces = {each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"}
    pods = [each["spec"]["template"] for each in objects if each["kind"] in WORKLOADS]
    assert pods, "nothing is run"
    for each in objects:
        assert each["metadata"].get("namespace", *namespaces) in namespaces, each["metadata"]
        spec = each.get("spec", {})
        if each["kind"] in WORKLOADS:
            pod = spec["template"]["spec"]
            volumes = {volume["name"] for volume in pod["volumes"]}
            mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
            assert volumes == mounts, f"volumes {volumes}, mounts {mounts}"
            assert pod.get("serviceAccountName") is None or pod["serviceAccountName"] in accounts
            assert selects(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"])
            for container in pod["containers"]:
                ports = {port["name"] for port in container.get("ports", [])}
                for probe in ("readinessProbe", "livenessProbe"):
                    port = container.get(probe, {}).get("httpGet", {}).get("port")
                    assert port is None or port in ports, f"{probe}: there is no port {port}"
        selector = spec.get("selector") if each["kind"] == "Service" else spec.get("podSelector", {}).get("matchLabels")
        assert selector is None or any(selects(selector, pod["metadata"]["labels"]) for pod in pods), selector


for path in sys.argv[1:]:
    with open(path) as file:
        found = list(yaml.safe_load_all(file))
    check(found)
    print("the manifest is one:", ", ".join(dict.fromkeys(each["kind"] for each in found)))
