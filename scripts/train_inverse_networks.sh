#!/usr/bin/env bash
# Trains the networks that docs/infer.md compares, one checkpoint each. Started again, it goes on.
#   scripts/train_inverse_networks.sh PAPERS MASS_EFFECT FOLDER [--small] [JOBS]
# PAPERS, MASS_EFFECT: databases of the design papers, the second of tumors with mass effect and one push, as the
# paper's: gliofield database build MASS_EFFECT --design papers --model mass-effect --push 10000 …
# --small: a setting for two cores, and MASS_EFFECT 400 tumors at 3.75 mm; without it that of the paper, for a GPU.
# JOBS: networks trained at a time, with one thread each; default 1, with all cores.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/training_jobs.sh"
papers=$1
mass_effect=$2
folder=$3
setting=()
# Training sets of 80,000 tumors, as in the paper; smaller ones get as many batches.
fk=(--database "$papers")
largest=()
sizes=("fk-20000 fk --tumors 20000 --epochs 400" "fk-5000 fk --tumors 5000 --epochs 1600")
fly=(--on-the-fly --design papers)
pushed=(--database "$mass_effect")
if [[ ${4:-} == --small ]]; then
    # 1,000 batches for every network.
    setting=(--small)
    fk+=(--pooling 4 --validation-tumors 200)
    largest=(--tumors 4000 --epochs 4)
    sizes=("fk-1000 fk --tumors 1000 --epochs 16" "fk-250 fk --tumors 250 --epochs 64")
    fly+=(--pooling 4 --tumors 4000 --epochs 4 --validation-tumors 200)
    pushed+=(--pooling 2 --tumors 320 --epochs 50)
    shift
fi
jobs=${4:-1}
mkdir -p "$folder"

# The paper's Table 1, then what goes beyond it, then training sets of several sizes.
runs=(
    "fk fk ${largest[*]}"
    "fk-rates-separate fk ${largest[*]} --targets rates --separate"
    "fk-separate fk ${largest[*]} --separate"
    "mass-effect pushed"
    "mass-effect-rates-separate pushed --targets rates --separate"
    "mass-effect-separate pushed --separate"
    "${sizes[@]}"
    "fk-log fk ${largest[*]} --scale log"
    "fk-perturb fk ${largest[*]} --perturb"
    "fk-flips fk ${largest[*]} --flips"
    "fk-on-the-fly fly"
    "fk-ensemble fk ${largest[*]} --members 3"
)

if [[ $jobs -gt 1 ]]; then
    setting+=(--threads 1)
fi
for run in "${runs[@]}"; do
    read -ra words <<<"$run"
    case ${words[1]} in
        fk) tumors=("${fk[@]}") ;;
        fly) tumors=("${fly[@]}") ;;
        *) tumors=("${pushed[@]}") ;;
    esac
    train "$folder/inverse-${words[0]}.safetensors" inverse "${tumors[@]}" "${words[@]:2}" "${setting[@]}"
done
finish
