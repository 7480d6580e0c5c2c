#!/usr/bin/env bash
# Trains the surrogates that docs/surrogate.md compares, one checkpoint each. Started again, it goes on.
#   scripts/train_surrogates.sh FOLDER [--small] [JOBS]
# --small: a setting for two cores; without it that of the paper, for a GPU.
# JOBS: networks trained at a time, with one thread each; default 1, with all cores.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/training_jobs.sh"
group=papers
folder=${1:?usage: scripts/train_surrogates.sh FOLDER [--small] [JOBS]}
setting=()
sizes=("20000" "5000 --samples 5000 --epochs 120" "1250 --samples 1250 --epochs 480")
ablated=20000
if [[ ${2:-} == --small ]]; then
    setting=(--small --validation-samples 50)
    # 600 batches of 8 for two sizes, 300 for two: what more tumors buy, and what more batches do.
    sizes=("1600 --samples 1600 --epochs 3" "400 --samples 400 --epochs 12" "100-short --samples 100 --epochs 24")
    ablated="400-short --samples 400 --epochs 6"
    sizes+=("$ablated")
    shift
fi
jobs=${2:-1}
mkdir -p "$folder"

# Training sets of several sizes, the paper's two ablations, then a loss that looks at healthy tissue.
runs=("${sizes[@]}" "$ablated --loss whole-volume" "$ablated --csf-only" "$ablated --loss all-regions")

if [[ $jobs -gt 1 ]]; then
    setting+=(--threads 1)
fi
for run in "${runs[@]}"; do
    read -ra words <<<"$run"
    # Named by what it differs in. All share their tumors: smaller training sets are the first of the largest.
    name=${words[0]}
    [[ $run == *--csf-only ]] && name+=-csf-only
    [[ $run == *--loss* ]] && name+=-${words[-1]}
    train "$folder/surrogate-$name.safetensors" surrogate "${words[@]:1}" "${setting[@]}" \
        --samples-dir "$folder/samples"
done
finish
