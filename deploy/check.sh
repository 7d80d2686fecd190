#!/usr/bin/env bash
# Checks what is deployed: the unit by systemd, the manifests by the schemas of Kubernetes. The argument is a Python of one's own
# to install kubernetes-validate in; what cannot be checked on this machine is said.
set -euo pipefail
folder="$(cd "$(dirname "$0")" && pwd)"
python="$1"

if command -v systemd-analyze >/dev/null; then
    unit="$(mktemp -d)/lookback-recorder.service"
    # The program need not be installed here: any that can be run stands for it.
    sed 's|/usr/bin/lookback-recorder|/bin/true|' "$folder/lookback-recorder.service" >"$unit"
    found="$(systemd-analyze verify "$unit" 2>&1 | grep -F "$(basename "$unit")" || true)"
    rm -r "$(dirname "$unit")"
    [ -z "$found" ] || { printf '%s\n' "$found" >&2; exit 1; }
    echo "the unit is one"
else
    echo "not checked: the unit (no systemd-analyze here)"
fi

if "$python" -m pip install --quiet --disable-pip-version-check kubernetes-validate; then
    "$python" "$folder/schema.py" "$folder/daemonset.yaml" "$folder/ballista.yaml"
else
    echo "not checked: the manifests (kubernetes-validate cannot be installed)"
fi
