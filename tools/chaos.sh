#!/bin/sh
# npm run chaos: proves promise by promise that nothing is lost when workers are late, stuck, killed,
# reloaded or overloaded (docs/faults.md). Brings what it needs: npm packages, the tests' virtual
# environment, and, where peers take part or a run is kept, the benchmarks' one (as tools/bench.sh).
# All arguments go to benchmarks/chaos/run.ts.
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "chaos: $1" >&2
  exit 2
}

if [ ! -x node_modules/.bin/node ]; then
  npm ci --no-audit --no-fund || fail "npm ci failed; Node and the tools of this project are needed"
fi

case " $* " in
*" --help "* | *" -h "* | *" --render"*) exec node_modules/.bin/node benchmarks/chaos/run.ts "$@" ;;
esac
sh tools/setup-python.sh

case " $* " in
*" --peers "* | *" --servers"* | *" --keep "*)
  cache=benchmarks/.cache
  python=$cache/venv/bin/python
  if ! "$python" -c 'import granian, gunicorn, flask, uvicorn, uvloop, httptools, websockets' 2>/dev/null; then
    echo "chaos: fetching Granian, gunicorn and the other peers"
    mkdir -p "$cache"
    [ -x "$python" ] || python3 -m venv "$cache/venv" || fail "python3 -m venv failed; Debian has it in python3-venv"
    "$python" -m pip install --quiet --disable-pip-version-check \
      granian gunicorn gunicorn_h1c 'uvicorn[standard]' uvloop httptools a2wsgi flask django ||
      fail "the peers could not be installed from PyPI"
  fi
  command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] ||
    fail "lacking: nginx; install with: sudo apt-get install --no-install-recommends nginx"
  ;;
esac

# A faulty source must not be hidden by an old build, nor a build be made by each start.
sh tools/build.sh || echo "chaos: the build failed; running the sources as they are" >&2

# Overload opens thousands of connections, in the client and in the server.
ulimit -n "$(ulimit -H -n)"
exec node_modules/.bin/node benchmarks/chaos/run.ts "$@"
