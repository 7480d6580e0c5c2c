#!/usr/bin/env bash
# Builds the wheel and the sdist, and tries both as users get them: in fresh environments, outside of the clone.
#
#   scripts/try_wheel.sh FOLDER [PYTHON]
#
# From the wheel: what it must carry is in it, both commands and the plug-ins of the papers are there, and the
# demonstration runs. From the sdist: it holds what builds the same wheel again. FOLDER is made anew. Needs a package
# index; the atlas comes from the cache, or the index.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?expected a folder to work in}
python=${2:-$(scripts/find_python.sh)}
rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
constraints=$PWD/constraints.txt

"$python" -m venv "$folder/build"
"$folder/build/bin/pip" install -qq --disable-pip-version-check hatchling
"$folder/build/bin/python" -m hatchling build -d "$folder/dist" >&2

# The same wheel out of the sdist, without the clone.
mkdir "$folder/source"
tar -xzf "$folder"/dist/gliofield-*.tar.gz -C "$folder/source" --strip-components 1
(cd "$folder/source" && "$folder/build/bin/python" -m hatchling build -t wheel -d "$folder/again" >&2)
"$folder/build/bin/python" - "$folder"/dist/*.whl "$folder"/again/*.whl <<'PYTHON'
import sys, zipfile

first, second = ({name: zipped.read(name) for name in zipped.namelist()} for zipped in map(zipfile.ZipFile, sys.argv[1:]))
different = sorted(name for name in first | second if first.get(name) != second.get(name))
assert not different, f"the sdist builds another wheel: {different}"
for ending in ("report/templates/report.html.j2", "report/templates/report.js", "py.typed", ".safetensors", "__init__.pyi"):
    assert any(name.endswith(ending) for name in first), f"the wheel carries no {ending}"
outside = [name for name in first if not name.startswith(("gliofield/", "gliofield_", "gliofield-"))]
assert not outside, f"the wheel carries {outside}"
print(f"wheel: {len(first)} files, {sum(map(len, first.values())) / 1e6:.1f} MB unpacked; the sdist builds the same")
PYTHON
du -h "$folder"/dist/* | sed "s|$folder/dist/||"

"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check --constraint "$constraints" "$folder"/dist/*.whl
cd "$folder"
export PATH="$folder/venv/bin:$PATH"
python -c "
import gliofield, pathlib
assert pathlib.Path(gliofield.__file__).is_relative_to('$folder/venv'), gliofield.__file__
"
gliofield --version
gliofield-bids --help >/dev/null
gliofield papers --help >/dev/null
gliofield search --help | grep -q radiomics || { echo "the plug-ins of the papers are not found" >&2; exit 1; }
gliofield demo --out demo --quiet --json >demo.json
test -s demo/result/report.html
python -c "
import json
found = json.load(open('demo.json'))
print('demo:', found['verdict'] + ',', 'Dice above 2 %', round(found['score']['dice_infiltration'], 2))
"
echo "the wheel works in $folder"
