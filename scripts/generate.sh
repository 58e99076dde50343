#!/usr/bin/env bash
# Makes generated code anew: the Go code of the providers' protocol. With --check it fails when that would change anything.
set -euo pipefail
cd "$(dirname "$0")/.."
go tool -modfile=internal/buf.mod buf generate
if [ "${1:-}" = --check ]; then
  git diff --exit-code -- providers/wire/proto || { echo "generated code is not fresh: run make generate and commit"; exit 1; }
fi
