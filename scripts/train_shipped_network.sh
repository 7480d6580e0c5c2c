#!/usr/bin/env bash
# Trains the inverse network that comes with gliofield (docs/shipped_network.md). Started again, it goes on.
#   scripts/train_shipped_network.sh DATABASE [OUT]
# DATABASE: of `gliofield database build DATABASE --number 50000`; the network depends on its tumors and their order.
set -euo pipefail
database=$1
out=${2:-src/gliofield/inverse/weights/sri24-fisher-kolmogorov.safetensors}
gliofield=${GLIOFIELD:-gliofield}
# Thresholds: half the paper's ranges, around the pipeline's 0.6 and 0.2.
exec "$gliofield" train inverse --database "$database" --out "$out" --small --channels 24 --pooling 4 --epochs 2 \
    --scale log --perturb --t1gd-thresholds 0.5 0.7 --flair-thresholds 0.1 0.3 --validation-tumors 1000
