#!/usr/bin/env bash
# Runs a command of gliofield by a Dask cluster that lives inside one SLURM job: the scheduler and the command on the
# first node, one worker per task on all nodes. Safe to submit again after any failure: the work goes on where it was.
#
#   sbatch --ntasks=256 --time=02:00:00 scripts/slurm_dask.sh database build DB --number N [OPTIONS]
#   sbatch --ntasks=64 --mem-per-cpu=2G scripts/slurm_dask.sh cohort PATIENTS --out COHORT [OPTIONS]
#
# A database must lie on a disk that the first node sees; of a cohort all nodes must see patients and output. Nodes need
# no network beyond the cluster's own if `gliofield setup` has filled the cache before. The environment is the one sbatch
# is called from, or the virtual environment $GLIOFIELD_VENV; all nodes must see it. $GLIOFIELD_INTERFACE names the
# network interface that connects the nodes (e.g. ib0) where the default one does not.
#SBATCH --job-name=gliofield
#SBATCH --ntasks=32
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
set -euo pipefail

if (($# < 2)); then
    echo "expected a command of gliofield, such as: database build DB --number N, or: cohort PATIENTS --out COHORT." >&2
    exit 2
fi
if [[ -n ${GLIOFIELD_VENV:-} ]]; then
    PATH=$GLIOFIELD_VENV/bin:$PATH
fi
# One thread per worker: numerical libraries must not start their own.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
interface=()
if [[ -n ${GLIOFIELD_INTERFACE:-} ]]; then
    interface=(--interface "$GLIOFIELD_INTERFACE")
fi

# On the disk all nodes see; the command and the workers wait until the scheduler has written it.
scheduler_file=$PWD/gliofield-scheduler-$SLURM_JOB_ID.json
started=()
stop() {
    kill "${started[@]}" 2>/dev/null || true
    wait "${started[@]}" 2>/dev/null || true
    rm -f "$scheduler_file"
}
trap stop EXIT

dask scheduler --port 0 --no-dashboard --scheduler-file "$scheduler_file" "${interface[@]}" &
started+=($!)
# Workers that lose the scheduler leave by themselves, so none outlives the job.
srun --ntasks="$SLURM_NTASKS" dask worker --scheduler-file "$scheduler_file" --nworkers 1 --nthreads 1 \
    --no-dashboard --death-timeout 120 --local-directory "${TMPDIR:-/tmp}" "${interface[@]}" &
started+=($!)

gliofield "$@" --scheduler "$scheduler_file"
