#!/usr/bin/env bash
# Installs dciodvfy, the validator of DICOM files (Debian's dicom3tools), where that is possible; its tests skip without.
set -uo pipefail

command -v dciodvfy >/dev/null && exit
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "dciodvfy is not installed (apt-get install dicom3tools): its tests will be skipped." >&2
    exit
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends dicom3tools; } </dev/null >/dev/null 2>&1 ||
    echo "dicom3tools could not be installed: tests with dciodvfy will be skipped." >&2
exit 0
