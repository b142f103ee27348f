#!/bin/sh
# Installs the newest gunicorn and uvicorn into a folder that git ignores, anew each time, so that options of new
# releases are found (test/conformance/others/foreign-options.test.ts). Prints the interpreter that has them.
set -eu
cd "$(dirname "$0")/.."
folder=test/.cache/foreign

rm -rf "$folder"
mkdir -p test/.cache
.venv-test/bin/python -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check gunicorn uvicorn >&2 || {
  echo "setup-foreign: pip could not fetch gunicorn and uvicorn; this section needs the package index" >&2
  exit 2
}
printf '%s\n' "$folder/bin/python"
