#!/bin/sh
# Builds Pebble, Let's Encrypt's authority for tests, and its DNS server into test/.cache/pebble/, pinned
# (test/conformance/others/pebble.test.ts). Needs Go; it is built once. Exit code 3: there is no Go.
set -eu
cd "$(dirname "$0")/.."
version=v2.10.3
folder=$PWD/test/.cache/pebble
go=$(command -v go || printf /usr/local/go/bin/go)
[ -x "$go" ] || exit 3

# The stamp is written last, so a build that was cut off counts as none.
if [ -e "$folder/.made-from" ] && [ "$(cat "$folder/.made-from")" = "$version" ]; then
  exit 0
fi
mkdir -p "$folder"
for program in pebble pebble-challtestsrv; do
  GOBIN=$folder GOFLAGS=-modcacherw "$go" install "github.com/letsencrypt/pebble/v2/cmd/$program@$version" || {
    echo "setup-pebble: Go could not build $program $version; it needs the module proxy once" >&2
    exit 2
  }
done
printf '%s\n' "$version" >"$folder/.made-from"
