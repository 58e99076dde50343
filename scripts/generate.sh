#!/usr/bin/env bash
# Makes generated code anew: Go code of the provider protocol. With --check it fails when that would change anything.
set -euo pipefail
cd "$(dirname "$0")/.."
proto=providers/wire/proto
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
tool() { go tool -modfile=internal/tools.mod "$@"; }

mkdir -p "$out/bin"
go build -modfile=internal/tools.mod -o "$out/bin/" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
cat >"$out/buf.gen.yaml" <<YAML
version: v2
plugins:
  - local: $out/bin/protoc-gen-go
    out: $out/gen
    opt: paths=source_relative
  - local: $out/bin/protoc-gen-go-grpc
    out: $out/gen
    opt: paths=source_relative
YAML
(cd "$proto" && tool buf generate --template "$out/buf.gen.yaml") 
for f in "$out"/gen/*.go; do
  if [ "${1:-}" = --check ]; then
    diff -u "$proto/$(basename "$f")" "$f" || { echo "generated code is not fresh: run make generate"; exit 1; }
  else
    cp "$f" "$proto/"
  fi
done
