#!/bin/sh
# npm run bench: measures Typhon beside the servers that people run today, or with --against REVISION
# beside another revision of itself (benchmarks/README.md). Installs what is missing: wrk, nginx, Apache
# and lighttpd from Debian, as root only, and a virtual environment with the newest peers, renewed once a
# day. Caddy is measured where it is installed. A comparison of revisions needs neither nginx nor peers.
# All arguments go to benchmarks/run.ts.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cache=benchmarks/.cache
venv=$cache/venv

fail() {
  echo "bench: $1" >&2
  exit 2
}

case " $* " in
*" --help "* | *" -h "*) set_up=no ;;
*) set_up=yes ;;
esac

if [ ! -x node_modules/.bin/node ]; then
  npm ci || fail "npm ci failed; Node and the tools of this project are needed"
fi
[ "$set_up" = yes ] || exec node_modules/.bin/node benchmarks/run.ts "$@"

case " $* " in
*" --against"*) has_peers=no packages="flask fastapi uvloop" ;;
*)
  has_peers=yes
  # gunicorn_h1c by its own name: the extra gunicorn[fast] would hold gunicorn back at an older
  # version while the registry lacks the parser that its newest one asks for.
  packages="granian gunicorn gunicorn_h1c uvicorn[standard] uvloop httptools hypercorn
    a2wsgi flask django fastapi pydantic"
  ;;
esac

lacking=
command -v wrk >/dev/null 2>&1 || lacking="$lacking wrk"
if [ "$has_peers" = yes ]; then
  command -v h2load >/dev/null 2>&1 || lacking="$lacking nghttp2-client"
  command -v openssl >/dev/null 2>&1 || lacking="$lacking openssl"
  command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] || lacking="$lacking nginx"
  # The page "cgi": a program in C, and Debian's Python beside that of the peers.
  command -v cc >/dev/null 2>&1 || lacking="$lacking gcc libc6-dev"
  [ -x /usr/bin/python3 ] || lacking="$lacking python3"
  [ -x /usr/sbin/apache2 ] || lacking="$lacking apache2"
  [ -x /usr/sbin/lighttpd ] || lacking="$lacking lighttpd"
fi
if [ -n "$lacking" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    fail "lacking:$lacking; install with: sudo apt-get install --no-install-recommends$lacking"
  fi
  echo "bench: installing$lacking"
  # RUNLEVEL=1 keeps the packages from starting a service on port 80.
  apt-get update -qq || fail "apt-get update failed"
  # shellcheck disable=SC2086
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $lacking >/dev/null ||
    fail "apt-get could not install$lacking"
fi

mkdir -p "$cache"
if [ ! -x "$venv/bin/python" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv" || fail "python3 -m venv failed; Debian has it in python3-venv"
fi
stamp=$cache/updated-$(date +%F)
imports="flask, fastapi, uvloop"
if [ "$has_peers" = yes ]; then
  imports="$imports, granian, gunicorn, uvicorn, hypercorn, a2wsgi, django, httptools"
fi
is_installed() {
  "$venv/bin/python" -c "import $imports" 2>/dev/null
}
if ! is_installed || { [ "$has_peers" = yes ] && [ ! -e "$stamp" ]; }; then
  echo "bench: fetching the newest" $packages
  # shellcheck disable=SC2086
  if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade $packages; then
    if [ "$has_peers" = yes ]; then
      # Not made for every platform: without it the page "edge" says so.
      "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade peregrine-server ||
        echo "bench: no peregrine-server for this platform; it will be left out" >&2
      rm -f "$cache"/updated-*
      : >"$stamp"
    fi
  elif is_installed; then
    echo "bench: PyPI cannot be reached; measuring the versions that are here" >&2
  else
    fail "PyPI gave not all of" $packages
  fi
fi

# 10,000 idle connections need as many files in the server and in the client.
ulimit -n "$(ulimit -H -n)"
exec node_modules/.bin/node benchmarks/run.ts "$@"
