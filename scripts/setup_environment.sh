#!/usr/bin/env bash
# Installs gliofield from this checkout into a virtual environment, under the pinned versions of constraints.txt.
#   scripts/setup_environment.sh FOLDER core|dev|docs
# For dev that includes PyTorch: a build for the processor, or for CUDA where there is a device. Where none can be had,
# the rest is installed all the same, and the tests of networks are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
case "$2" in
    core) target="." ;;
    dev) target=".[dev]" ;;
    docs) target=".[docs]" ;;
    *) echo "unknown kind of environment '$2': expected core, dev or docs." >&2; exit 2 ;;
esac

pip_install() {
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --constraint constraints.txt "$@" </dev/null
}

has_torch() {
    "$folder/bin/python" -c 'import sys, importlib.metadata as m; sys.exit(m.version("torch").split("+")[0] != sys.argv[1])' \
        "${1#torch==}" 2>/dev/null
}

# The version pip would take, of PyTorch alone: its build stands after a plus sign.
offered_torch() {
    pip_install --dry-run --ignore-installed --no-deps --report - "$1" 2>/dev/null | "$folder/bin/python" -c \
        'import json, sys; print(json.load(sys.stdin)["install"][0]["metadata"]["version"])' 2>/dev/null
}

# A plain installation from the usual index brings gigabytes of CUDA along, so it is the choice only where CUDA is.
install_torch() {
    local pin
    pin=$(grep '^torch==' constraints.txt)
    has_torch "$pin" && return
    if [[ "$(offered_torch "$pin")" == *+cpu ]] || nvidia-smi >/dev/null 2>&1; then
        pip_install "$pin"
    else
        pip_install uv && "$folder/bin/uv" pip install --quiet --python "$folder/bin/python" --torch-backend=cpu \
            --constraint constraints.txt "$pin" </dev/null
    fi
}

# A folder whose interpreter is gone or too old (copied from elsewhere, system upgraded) is made anew.
if ! "$folder/bin/python" -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
    python=$(scripts/find_python.sh)
    echo "Making $folder with $("$python" --version)." >&2
    "$python" -m venv --clear "$folder"
fi
echo "Installing gliofield ($2) into $folder; about a minute the first time, two for dev." >&2
if [ "$2" = dev ]; then
    if install_torch; then
        target=".[dev,learn]"
    else
        echo "PyTorch could not be installed: tests of networks will be skipped." >&2
    fi
fi
pip_install --editable "$target"
