#!/bin/sh
# Finds the commands of Debian packages, or installs the packages as root. Prints nothing.
#     sh tools/setup-debian.sh chromium nghttp=nghttp2-client
# Each word is a command or its path, followed by the name of its package where that differs.
set -eu
lacking=
for word in "$@"; do
  command -v "${word%%=*}" >/dev/null 2>&1 || lacking="$lacking ${word##*=}"
done
[ -n "$lacking" ] || exit 0
fail() {
  echo "setup-debian: $1" >&2
  exit 2
}
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  fail "lacking:$lacking; install with: sudo apt-get install --no-install-recommends$lacking"
fi
apt-get update -qq || fail "apt-get update failed"
# RUNLEVEL=1 keeps a package of a server from starting a service.
# shellcheck disable=SC2086
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $lacking >/dev/null ||
  fail "apt-get could not install$lacking"
