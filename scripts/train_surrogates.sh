#!/usr/bin/env bash
# Trains the surrogates that docs/surrogate.md compares, one checkpoint each. Started again, it goes on.
#   scripts/train_surrogates.sh FOLDER [--small] [JOBS]
# --small: a setting for two cores; without it that of the paper, for a GPU.
# JOBS: networks trained at a time, with one thread each; default 1, with all cores.
set -euo pipefail
folder=$1
setting=()
sizes=("20000" "5000 --samples 5000 --epochs 120" "1250 --samples 1250 --epochs 480")
ablated=20000
if [[ ${2:-} == --small ]]; then
    setting=(--small --validation-samples 50)
    # The largest training set gets 600 batches of 8, every other 300.
    sizes=("1600 --samples 1600 --epochs 3" "400 --samples 400 --epochs 6" "100 --samples 100 --epochs 24")
    ablated="400 --samples 400 --epochs 6"
    shift
fi
jobs=${2:-1}
gliomap=${GLIOMAP:-gliomap}
mkdir -p "$folder"
failed=0

# Training sets of several sizes, the paper's two ablations, then a loss that looks at healthy tissue.
runs=("${sizes[@]}" "$ablated --loss whole-volume" "$ablated --csf-only" "$ablated --loss all-regions")

if [[ $jobs -gt 1 ]]; then
    setting+=(--threads 1)
fi
# Jobs of a script do not hear Ctrl-C themselves. What they have saved is gone on with.
trap 'kill $(jobs -pr) 2>/dev/null; wait; exit 130' INT TERM
for run in "${runs[@]}"; do
    read -ra words <<<"$run"
    # Named by what it differs in; networks of as many tumors share them.
    name=${words[0]}
    [[ $run == *--csf-only ]] && name+=-csf-only
    [[ $run == *--loss* ]] && name+=-${words[-1]}
    out=$folder/surrogate-$name.safetensors
    if [[ -e $out ]]; then
        echo "$out: trained already" >&2
        continue
    fi
    while [[ $(jobs -rp | wc -l) -ge $jobs ]]; do
        wait -n || failed=1
    done
    "$gliomap" train surrogate "${words[@]:1}" "${setting[@]}" --samples-dir "$folder/samples-${words[0]}" --out "$out" &
done
while [[ -n $(jobs -rp) ]]; do
    wait -n || failed=1
done
exit $failed
