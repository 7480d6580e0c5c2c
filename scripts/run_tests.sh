#!/usr/bin/env bash
# Runs the tests in the environment of the Makefile; the last line printed is pytest's own.
#   scripts/run_tests.sh fast|slow|all [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/.."

case "$1" in
    fast) selection=(-m "not slow and not nightly and not gpu") ;;
    slow) selection=(-m "(slow or nightly) and not gpu" --timeout 1800) ;;
    all) selection=(--timeout 1800) ;;
    *) echo "unknown selection '$1': expected fast, slow or all." >&2; exit 2 ;;
esac
shift

# Every worker is one process with one thread: more threads than cores slow each other down.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1
export ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 OMP_WAIT_POLICY=passive MPLBACKEND=Agg
exec "${VENV:-.venv}/bin/python" -m pytest -n "${WORKERS:-2}" --dist worksteal "${selection[@]}" "$@" </dev/null
