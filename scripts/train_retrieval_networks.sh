#!/usr/bin/env bash
# Trains the networks that `gliofield papers retrieval` compares, one checkpoint each. Started again, it goes on.
#   scripts/train_retrieval_networks.sh DATABASE FOLDER [--small] [JOBS]
# --small: a setting for two cores (docs/retrieval_networks.md); without it that of the papers, for a GPU.
# JOBS: networks trained at a time, with one thread each; default 1, with all cores.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/training_jobs.sh"
group=papers
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
mkdir -p "$folder"

# The networks of the tables, then a larger training set, latent sizes and losses.
runs=(
    "ae-1024 ae"
    "hash-1024 hash"
    "vae-1024 vae"
    "vae-8 vae --latent-size 8"
    "vae-8-larger vae --latent-size 8 ${larger[*]}"
    "ae-64 ae --latent-size 64"
    "ae-8 ae --latent-size 8"
    "ae-64-bce ae --latent-size 64 --loss bce"
    "ae-64-mse ae --latent-size 64 --loss mse"
    "vae-64 vae --latent-size 64"
)

if [[ $jobs -gt 1 ]]; then
    small+=(--threads 1)
fi
for run in "${runs[@]}"; do
    read -ra words <<<"$run"
    train "$folder/${words[0]}.safetensors" "${words[@]:1}" "${small[@]}" --database "$database"
done
finish
