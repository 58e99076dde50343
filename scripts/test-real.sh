#!/usr/bin/env bash
# Installs the real components that tests start by themselves, and runs those tests. Nothing is skipped: what is missing is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo "make test-real installs packages and starts dockerd, and needs root"; exit 1; }
for each in dockerd:docker.io ip:iproute2 busybox:busybox-static runc:runc ps:procps; do
  command -v "${each%%:*}" >/dev/null || missing+=("${each#*:}")
done
if [ -n "${missing:-}" ]; then
  command -v apt-get >/dev/null || { echo "missing: ${missing[*]}"; exit 1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
CI=true go test -count=1 ./agent ./cmd/dstack -run "TestDocker" "$@"
