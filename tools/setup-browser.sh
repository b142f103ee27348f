#!/bin/sh
# Finds Chromium for the tests in a real browser (test/conformance/others/browser.test.ts), or installs
# Debian's as root. Prints nothing.
set -eu
! command -v chromium >/dev/null 2>&1 || exit 0
fail() {
  echo "setup-browser: $1" >&2
  exit 2
}
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  fail "lacking: chromium; install with: sudo apt-get install --no-install-recommends chromium"
fi
apt-get update -qq || fail "apt-get update failed"
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null ||
  fail "apt-get could not install chromium"
