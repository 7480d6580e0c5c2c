#!/usr/bin/env bash
# Personalizes a cohort by the jobs of a SLURM array, without Dask: each takes its part of the patients, and writes into
# the same output. Jobs that are submitted again compute only what is missing.
#
#   sbatch --array=1-16 scripts/slurm_cohort_array.sh PATIENTS --out COHORT [OPTIONS OF gliofield cohort]
#
# All nodes must see patients and output, and the cache that `gliofield setup` has filled (GLIOFIELD_CACHE_DIR): then they
# need no network. $GLIOFIELD_VENV names a virtual environment that all nodes see.
#SBATCH --job-name=gliofield-cohort
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
set -euo pipefail

if (($# < 3)); then
    echo "expected patients, --out COHORT, and options of gliofield cohort." >&2
    exit 2
fi
if [[ -n ${GLIOFIELD_VENV:-} ]]; then
    PATH=$GLIOFIELD_VENV/bin:$PATH
fi
exec gliofield cohort "$@" --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --workers "${SLURM_CPUS_PER_TASK:-1}"
