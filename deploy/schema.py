"""Checks a manifest against the schemas of Kubernetes, strictly, and that its parts fit together."""

import sys

import kubernetes_validate
import yaml

with open(sys.argv[1]) as file:
    objects = list(yaml.safe_load_all(file))
for each in objects:
    kubernetes_validate.validate(each, "1.31", strict=True)
    # A check that lets anything through would be none.
    try:
        kubernetes_validate.validate({**each, "metdata": {}}, "1.31", strict=True)
        sys.exit(f"{each['kind']}: an unknown field was not noticed")
    except kubernetes_validate.ValidationError:
        pass

kinds = {each["kind"]: each for each in objects}
pod = kinds["DaemonSet"]["spec"]["template"]["spec"]
volumes = {volume["name"] for volume in pod["volumes"]}
mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
assert volumes == mounts, f"volumes {volumes}, mounts {mounts}"
assert pod["serviceAccountName"] == kinds["ServiceAccount"]["metadata"]["name"]
labels = kinds["DaemonSet"]["spec"]["template"]["metadata"]["labels"]
assert kinds["DaemonSet"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
print("the manifest is one:", ", ".join(kinds))
