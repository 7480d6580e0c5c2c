#!/usr/bin/env bash
# Trains the networks that `gliomap evaluate retrieval` compares, one checkpoint each. Started again, it goes on.
#   scripts/train_retrieval_networks.sh DATABASE FOLDER [--small] [JOBS]
# --small: a setting for two cores (docs/retrieval_networks.md); without it that of the papers, for a GPU.
# JOBS: networks trained at a time, with one thread each; default 1, with all cores.
set -euo pipefail
database=$1
folder=$2
small=()
larger=(--training-tumors 20000)
if [[ ${3:-} == --small ]]; then
    small=(--small)
    # As many batches as the others.
    larger=(--training-tumors 1600 --epochs 5)
    shift
fi
jobs=${3:-1}
gliomap=${GLIOMAP:-gliomap}
mkdir -p "$folder"
failed=0

# The networks of the tables, then a larger training set, latent sizes and losses.
runs=(
    "ae-1024 ae"
    "hash-1024 hash"
    "vae-1024 vae"
    "vae-8 vae --latent-size 8"
    "ae-64 ae --latent-size 64"
    "ae-8 ae --latent-size 8"
    "ae-64-bce ae --latent-size 64 --loss bce"
    "ae-64-mse ae --latent-size 64 --loss mse"
    "vae-64 vae --latent-size 64"
    "vae-8-larger vae --latent-size 8 ${larger[*]}"
)

train() {
    local name=$1
    shift
    if [[ -e "$folder/$name.safetensors" ]]; then
        echo "$name: trained already" >&2
        return
    fi
    "$gliomap" train "$@" "${small[@]}" --database "$database" --out "$folder/$name.safetensors"
}

if [[ $jobs -gt 1 ]]; then
    small+=(--threads 1)
fi
for run in "${runs[@]}"; do
    while [[ $(jobs -rp | wc -l) -ge $jobs ]]; do
        wait -n || failed=1
    done
    # shellcheck disable=SC2086
    train $run &
done

for job in $(jobs -p); do
    wait "$job" || failed=1
done
exit $failed
