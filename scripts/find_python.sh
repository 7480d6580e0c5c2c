#!/usr/bin/env bash
# Prints a Python that can run gliofield: 3.11 to 3.13 with venv and pip, the newest found. $PYTHON is tried first.
set -u

# A name on the PATH may be a shim for a version that is not installed, so every candidate is run, not looked up.
is_suitable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    is_suitable "$PYTHON" && { echo "$PYTHON"; exit 0; }
    echo "PYTHON=$PYTHON cannot be used: expected Python 3.11, 3.12 or 3.13 with its venv module." >&2
    exit 1
fi
for candidate in python3.13 python3.12 python3.11 python3 python; do
    is_suitable "$candidate" && { echo "$candidate"; exit 0; }
done
cat >&2 <<'MESSAGE'
No suitable Python was found: gliofield needs Python 3.11, 3.12 or 3.13 with its venv module.
On Debian or Ubuntu:  apt-get install python3 python3-venv
Elsewhere: install one of these versions, then run again, or name it:  make PYTHON=/path/to/python3.12 demo
MESSAGE
exit 1
