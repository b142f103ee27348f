#!/bin/sh
# npm run test:all: what takes many minutes, or was written by others. npm test comes first and is not
# repeated here. The sections run one after the other, each to its end; the exit code is 1 if one failed.
#     sh tools/test-all.sh gunicorn               one section
# A section whose tool cannot exist on a machine says so and is skipped: `skip "REASON"` ends it. A tool
# that could be fetched and was not is a failure.
set -eu
cd "$(dirname "$0")/.."
. tools/test-setup.sh

all="gunicorn foreign autobahn pebble pythons browser h2spec h2clients h2attacks tls cgi deploy image guides packages newcomer long benchmarks faults"

# gunicorn's tests of its ASGI worker, against the real command (tools/fetch-gunicorn.sh).
run_gunicorn() {
  node_tests test/conformance/others/gunicorn-asgi.test.ts
}

# The options of the newest gunicorn and uvicorn: none is unexplained.
run_foreign() {
  sh tools/setup-foreign.sh >/dev/null
  node_tests test/conformance/others/foreign-options.test.ts
}

# The Autobahn cases for WebSocket, against the real command (tools/setup-autobahn.sh).
run_autobahn() {
  node_tests test/conformance/others/autobahn.test.ts
}

# The ACME client against Pebble, which Go builds (tools/setup-pebble.sh).
run_pebble() {
  status=0
  sh tools/setup-pebble.sh || status=$?
  [ "$status" != 3 ] || skip "there is no Go to build Pebble with"
  [ "$status" = 0 ] || exit "$status"
  node_tests test/conformance/others/pebble.test.ts test/conformance/others/pebble-keeper.test.ts \
    test/conformance/others/pebble-command.test.ts
}

# docker/ and deploy/ by hadolint, Helm, kubeconform, honcho and, where it is, systemd-analyze.
run_deploy() {
  status=0
  sh tools/setup-deploy.sh || status=$?
  [ "$status" != 3 ] || skip "there is no Go to build Helm and kubeconform with"
  [ "$status" = 0 ] || exit "$status"
  node_tests test/conformance/others/deploy.test.ts
  command -v systemd-analyze >/dev/null 2>&1 || skip "the units: there is no systemd-analyze"
  node_tests test/conformance/others/systemd-units.test.ts
}

# The steps of docker/Dockerfile and its command in namespaces, with the wheels of npm run release.
run_image() {
  unshare --mount --pid --fork true 2>/dev/null || skip "this user, or this machine, may make no namespaces"
  [ release/SHA256SUMS -nt dist/.built ] || npm run --silent release
  node_tests test/conformance/others/image.test.ts
}

# A short end-to-end part with every CPython from 3.10 on that is on PATH or in ~/.pyenv/versions.
run_pythons() {
  node_tests test/conformance/others/pythons.test.ts
}

# Everything that is published: built twice, installed by pip, uv, pipx and npm, and used.
run_packages() {
  node_tests test/conformance/others/packages.test.ts
}

# The way of a newcomer: another user, an empty environment, no Node, and a browser.
run_newcomer() {
  sh tools/setup-debian.sh chromium
  node_tests test/conformance/others/newcomer.test.ts
}

# The pages of docs/guide that need large packages (Gradio, Socket.IO, tracers …), done as a reader does them, and
# the configurations of proxies.
run_guides() {
  sh tools/setup-debian.sh curl openssl caddy /usr/sbin/haproxy=haproxy /usr/sbin/nginx=nginx
  sh tools/setup-venv.sh guides
  node_tests test/conformance/others/guides.test.ts test/conformance/others/proxies.test.ts
}

# A site, and the documentation, in Debian's Chromium, over the DevTools protocol.
run_browser() {
  sh tools/setup-debian.sh chromium openssl
  sh tools/build-docs.sh
  node_tests test/conformance/others/browser.test.ts test/conformance/others/browser-http2.test.ts \
    test/conformance/others/browser-docs.test.ts test/conformance/others/browser-dev.test.ts
}

# h2spec's cases about HTTP/2 and HPACK. It is built by Go.
run_h2spec() {
  sh tools/setup-h2spec.sh >/dev/null || {
    [ $? -ne 3 ] || skip "no Go, which h2spec is built by"
    return 1
  }
  node_tests test/conformance/others/h2spec.test.ts
}

# curl, nghttp, httpx and h2 against HTTP/2, with TLS and without.
run_h2clients() {
  sh tools/setup-debian.sh curl nghttp=nghttp2-client openssl
  node_tests test/conformance/others/http2-clients.test.ts
}

# Floods and faults of HTTP/2: each ends its connection, and takes little memory.
run_h2attacks() {
  sh tools/setup-debian.sh openssl
  node_tests test/conformance/others/h2-attacks.test.ts
}

# testssl.sh: nothing of medium severity or above.
run_tls() {
  sh tools/setup-debian.sh testssl=testssl.sh openssl
  node_tests test/conformance/others/testssl.test.ts
}

# CGI programs of Debian and of ours, beside Apache: what they respond, what clients of git, Mercurial and Fossil do
# with them, and the environment that programs see.
run_cgi() {
  sh tools/setup-debian.sh /usr/sbin/apache2=apache2 /usr/sbin/lighttpd=lighttpd busybox cc=gcc perl \
    php-cgi git hg=mercurial fossil /usr/bin/python3=python3 /usr/lib/cgit/cgit.cgi=cgit \
    /usr/share/gitweb/gitweb.cgi=gitweb /usr/lib/cgi-bin/awstats.pl=awstats
  # Debian's Python from 3.13 on has the module cgi in a package.
  /usr/bin/python3 -W ignore -c 'import cgi, cgitb' 2>/dev/null ||
    sh tools/setup-debian.sh /usr/lib/python3/dist-packages/cgi=python3-legacy-cgi
  for part in '' -clients -environment -pythons; do
    node_tests "test/conformance/others/cgi$part.test.ts"
  done
}

# The tests that have a short form in npm test, in full: bodies of a gigabyte, thousands of broken
# WebSocket streams, every HTTP/1.1 case in every mode through a worker.
run_long() {
  export TEST_LONG=1
  # shellcheck disable=SC2046
  "$python" -m pytest -q $(grep -rl --include='test_*.py' IS_LONG python/tests | sort)
  # shellcheck disable=SC2046
  node_tests $(grep -rl --include='*.test.ts' IS_LONG test | sort)
}

# The tests of the benchmarks' own programs.
run_benchmarks() {
  # shellcheck disable=SC2046
  node_tests --test-concurrency=2 $(find benchmarks/test -name '*.test.ts' | sort)
}

# Every fault with every application, in the counts of the short form, and what depends on connections by
# TLS and by HTTP/2 too: outcomes and their order are judged. `npm run chaos` judges milliseconds as well, on
# a machine that has nothing else to do.
run_faults() {
  sh tools/chaos.sh --short --apps raw,flask,asgi,fastapi
  sh tools/setup-debian.sh openssl
  sh tools/chaos.sh --short --apps raw,asgi --over tls
  sh tools/chaos.sh --short --apps raw,asgi --over http2
}

skip() {
  printf 'skipped: %s\n' "$1"
  exit 0
}

# What takes minutes to fetch or to build is begun at once, at low priority; its section waits for it.
fetched=
begin_fetch() {
  (nice sh tools/setup-deploy.sh; nice sh tools/setup-venv.sh guides) >/dev/null 2>&1 &
  fetched=$!
}

need npm python
[ $# -gt 0 ] || {
  set -- $all
  begin_fetch
}
sh tools/build.sh
failed=
for section in "$@"; do
  case " $all " in
  *" $section "*) ;;
  *)
    echo "test-all: no section '$section'; sections: $all" >&2
    exit 2
    ;;
  esac
  case $section in
  # A fetch that has failed is tried again by the section, which says why.
  deploy | guides) [ -z "$fetched" ] || wait "$fetched" || : ;;
  esac
  printf '\n== %s\n' "$section"
  # In a shell of its own, so that the first failing command of a section ends it.
  "run_$section" &
  wait $! || failed="$failed $section"
done
[ -z "$failed" ] || {
  printf '\n== failed:%s\n' "$failed" >&2
  exit 1
}
printf '\n== all passed: %s\n' "$*"
