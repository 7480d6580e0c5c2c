#!/usr/bin/env bash
# Installs gliofield into a fresh environment and runs its commands as a container does: without a network, everything
# read-only but a folder of results and one for temporary files, the home and the filled cache among it.
#
#   scripts/try_entry_points.sh FOLDER [PYTHON]
#
# FOLDER is made, and may be removed afterwards. Needs a package index, for the installation and for the atlas, and
# Linux with `unshare`.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?expected a folder to work in}
python=${2:-python3}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

[[ -d "$folder/venv" ]] || "$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet -c constraints.txt .
export PATH="$folder/venv/bin:$PATH" GLIOFIELD_CACHE_DIR="$folder/cache" NUMBA_CACHE_DIR="$folder/cache/numba"
export MPLCONFIGDIR="$folder/cache/matplotlib" TMPDIR="$folder/tmp" PYTHONDONTWRITEBYTECODE=1
mkdir -p "$folder"/{cache/numba,cache/matplotlib,tmp,home}
gliofield setup --database none --quiet
gliofield virtual --out "$folder/in/patient" --seed 1 --quiet

mkdir -p "$folder"/{results,bids/sub-01/anat,bids/derivatives/hand/sub-01/anat}
for pair in t1:T1w t1ce:ce-gadolinium_T1w flair:FLAIR; do
    cp "$folder"/in/patient/*_"${pair%%:*}".nii.gz "$folder/bids/sub-01/anat/sub-01_${pair##*:}.nii.gz"
done
cp "$folder"/in/patient/*_seg.nii.gz "$folder/bids/derivatives/hand/sub-01/anat/sub-01_dseg.nii.gz"
echo '{"Name": "one patient", "BIDSVersion": "1.10.0"}' >"$folder/bids/dataset_description.json"

# A world of its own: no network, and every file read-only but those of results and the temporary ones.
sealed=(unshare --mount --net)
[[ $(id -u) == 0 ]] || sealed+=(--user --map-root-user)
run() {
    HOME=$folder/home "${sealed[@]}" sh -ec '
        mount --make-rprivate /
        for place in results tmp; do mount --bind "$1/$place" "$1/$place"; done
        mount -o remount,ro,bind /
        if touch "$1/home/x" "$1/cache/x" 2>/dev/null; then echo "the home can be written" >&2; exit 1; fi
        shift
        exec sh containers/entrypoint.sh "$@"' sh "$folder" "$@"
}
run --version
run cohort "$folder/in" --out "$folder/results/cohort" --quiet
run "$folder/bids" "$folder/results/derivatives" participant --quiet
run "$folder/bids" "$folder/results/derivatives" group --quiet
echo "all entry points run in $folder"
