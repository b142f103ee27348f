#!/bin/sh
# setup-venv.sh NAME: makes .venv-NAME/ with what python/requirements-NAME.txt pins. Made anew when that file
# changes; else it costs nothing. Fetched once from the Python package index, by the uv of .venv-test/.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-$1
wanted=python/requirements-$1.txt

# The stamp is written last, so an installation that was cut off counts as none.
stamp=$venv/.made-from
if [ -e "$stamp" ] && cmp -s "$stamp" "$wanted" && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi
echo "setup-venv: making $venv"
rm -rf "$venv"
.venv-test/bin/python -m venv "$venv"
pip="$venv/bin/python -m pip install --quiet --disable-pip-version-check"
.venv-test/bin/uv pip install --quiet --python "$venv/bin/python" --requirement "$wanted" ||
  $pip --requirement "$wanted" || {
  echo "setup-venv: pip could not install $wanted; the package index is needed once" >&2
  exit 2
}
cp "$wanted" "$stamp"
