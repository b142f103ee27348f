#!/bin/sh
# Builds h2spec, the conformance tests of HTTP/2 and HPACK in Go (test/conformance/others/h2spec.test.ts), into
# test/.cache/, once, and prints its path. Exit code 3: there is no Go on this machine.
set -eu
cd "$(dirname "$0")/.."
version=2.2.1+incompatible
folder=$PWD/test/.cache/h2spec-$version

[ ! -x "$folder/h2spec" ] || {
  printf '%s\n' "$folder/h2spec"
  exit 0
}
PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null 2>&1 || exit 3
GOBIN=$folder go install "github.com/summerwind/h2spec/cmd/h2spec@v$version" >&2 || {
  echo "setup-h2spec: go could not install h2spec $version; the Go module proxy is needed once" >&2
  exit 2
}
printf '%s\n' "$folder/h2spec"
