#!/usr/bin/env bash
# Installs gliofield into a fresh environment and runs its commands as a container does: with a home that cannot be
# written, a cache that is read-only once it is filled, and no network.
#
#   scripts/try_entry_points.sh FOLDER [PYTHON]
#
# FOLDER is made, and may be removed afterwards. Needs a package index, for the installation and for the atlas.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?expected a folder to work in}
python=${2:-python3}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet -c constraints.txt .
export PATH="$folder/venv/bin:$PATH" GLIOFIELD_CACHE_DIR="$folder/cache" NUMBA_CACHE_DIR="$folder/cache/numba"
export MPLCONFIGDIR="$folder/cache/matplotlib" TMPDIR="$folder/tmp" PYTHONDONTWRITEBYTECODE=1
mkdir -p "$folder"/{cache/numba,cache/matplotlib,tmp,home}
gliofield setup --database none --quiet
gliofield virtual --out "$folder/in/patient" --seed 1 --quiet

chmod -R a-w "$folder/cache" "$folder/home" "$folder/venv"
trap 'chmod -R u+w "$folder/cache" "$folder/home" "$folder/venv"' EXIT
export HOME="$folder/home" PIP_INDEX_URL=http://127.0.0.1:9/simple PIP_NO_INDEX=1
# root writes everywhere; as another user the read-only folders are that.
run=()
if [[ $(id -u) == 0 ]]; then
    chown -R nobody "$folder"
    run=(setpriv --reuid=nobody --regid=nogroup --clear-groups --)
fi
"${run[@]}" sh containers/entrypoint.sh --version
"${run[@]}" sh containers/entrypoint.sh cohort "$folder/in" --out "$folder/out" --quiet
mkdir -p "$folder"/bids/sub-01/anat "$folder"/bids/derivatives/hand/sub-01/anat
for pair in t1:T1w t1ce:ce-gadolinium_T1w flair:FLAIR; do
    cp "$folder"/in/patient/*_"${pair%%:*}".nii.gz "$folder/bids/sub-01/anat/sub-01_${pair##*:}.nii.gz"
done
cp "$folder"/in/patient/*_seg.nii.gz "$folder/bids/derivatives/hand/sub-01/anat/sub-01_dseg.nii.gz"
echo '{"Name": "one patient", "BIDSVersion": "1.10.0"}' >"$folder/bids/dataset_description.json"
for level in participant group; do
    "${run[@]}" sh containers/entrypoint.sh "$folder/bids" "$folder/derivatives" $level --quiet
done
echo "all entry points run in $folder"
