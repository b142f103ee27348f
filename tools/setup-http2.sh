#!/bin/sh
# Makes .venv-http2/ with httpx and h2, pinned: clients of HTTP/2 (test/conformance/others/http2_clients.py). They
# are fetched once.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-http2
wanted="httpx==0.28.1 h2==4.4.1 hpack==4.2.0 hyperframe==6.1.0"

# The stamp is written last, so an installation that was cut off counts as none.
stamp=$venv/.made-from
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  exit 0
fi
rm -rf "$venv"
.venv-test/bin/python -m venv "$venv"
# shellcheck disable=SC2086
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check $wanted || {
  echo "setup-http2: pip could not install $wanted; the clients need the package index once" >&2
  exit 2
}
printf '%s\n' "$wanted" >"$stamp"
