#!/bin/sh
# Which of the three a container is asked for:
#   nothing, with /mlcube_io0 mounted      the contract of PREDICT-GBM: patients in /mlcube_io0, maps to /mlcube_io1
#   BIDS_DIR OUT_DIR participant|group …   a BIDS app
#   anything else                          the command line
set -eu

if [ $# -eq 0 ] && [ -d "${GLIOFIELD_MLCUBE_IN:-/mlcube_io0}" ]; then
    exec gliofield predictgbm "${GLIOFIELD_MLCUBE_IN:-/mlcube_io0}" "${GLIOFIELD_MLCUBE_OUT:-/mlcube_io1}"
fi
case "${3:-}" in
    participant | group) exec gliofield-bids "$@" ;;
    *) exec gliofield "$@" ;;
esac
