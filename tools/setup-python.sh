#!/bin/sh
# Makes .venv-test/, the virtual environment of the tests: Flask, Django, pytest, ruff, mypy, pinned in
# python/requirements-test.txt. Made anew when that file or the interpreter changes; else it costs
# nothing. TYPHON_TEST_PYTHON names the interpreter to make it from (default: python3).
set -eu
cd "$(dirname "$0")/.."
venv=.venv-test
wanted=python/requirements-test.txt
python=${TYPHON_TEST_PYTHON:-python3}

fail() {
  echo "setup-python: $1" >&2
  exit 2
}

command -v "$python" >/dev/null 2>&1 || fail "no $python; Python 3.10 or newer is needed"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "$python is $("$python" --version 2>&1); Python 3.10 or newer is needed"

# The stamp is written last, so an installation that was cut off counts as none.
stamp=$venv/.made-from
state="$("$python" -c 'import sys; print(sys.version, sys.base_prefix)')
$(cat "$wanted")"
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$state" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi

echo "setup-python: making $venv"
rm -rf "$venv"
"$python" -m venv "$venv" || fail "$python -m venv failed; Debian has it in python3-venv"
# uv installs in two seconds what takes pip half a minute; where it cannot, pip does.
pip="$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile"
$pip uv==0.13.9 &&
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --requirement "$wanted" ||
  $pip --requirement "$wanted" || fail "pip could not install $wanted"
printf '%s\n' "$state" >"$stamp"
