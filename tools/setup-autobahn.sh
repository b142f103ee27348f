#!/bin/sh
# Makes .venv-autobahn/ with kosoku, pinned: the cases of the Autobahn test suite for WebSocket, run by Python 3
# (test/conformance/others/autobahn.test.ts). It is fetched once.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-autobahn
wanted=kosoku==0.1.0

# The stamp is written last, so an installation that was cut off counts as none.
stamp=$venv/.made-from
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi
rm -rf "$venv"
.venv-test/bin/python -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$wanted" || {
  echo "setup-autobahn: pip could not install $wanted; the cases need the package index once" >&2
  exit 2
}
printf '%s\n' "$wanted" >"$stamp"
