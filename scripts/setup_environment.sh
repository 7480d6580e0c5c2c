#!/usr/bin/env bash
# Installs gliomap from this checkout into a virtual environment, under the pinned versions of constraints.txt.
#   scripts/setup_environment.sh FOLDER core|dev
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
case "$2" in
    core) target="." ;;
    dev) target=".[dev]" ;;
    *) echo "unknown kind of environment '$2': expected core or dev." >&2; exit 2 ;;
esac

# A folder whose interpreter is gone or too old (copied from elsewhere, system upgraded) is made anew.
if ! "$folder/bin/python" -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
    python=$(scripts/find_python.sh)
    echo "Making $folder with $("$python" --version)." >&2
    "$python" -m venv --clear "$folder"
fi
echo "Installing gliomap ($2) into $folder; about a minute the first time." >&2
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --constraint constraints.txt --editable "$target" </dev/null
