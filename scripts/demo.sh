#!/usr/bin/env bash
# The first day, in a temporary folder that is gone afterwards: plans, applies, uses and destroys examples/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BIN:-$PWD/bin}
work=$(mktemp -d)
export DSTACK_HOME=$work/home PATH=$bin:$PATH
unset DSTACK_PLUGIN_DIR

cleanup() {
  code=$?
  if [ -d "$work/demo/.dstack" ]; then
    (cd "$work/demo" && dstack destroy --auto-approve --var port="$port" >"$work/destroy.log" 2>&1) || {
      echo "what is left could not be destroyed:"
      cat "$work/destroy.log"
      code=1
    }
  fi
  rm -rf "$work"
  exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() {
  step "$*"
  "$@"
}
fail() {
  echo "demo: $*" >&2
  exit 1
}

# A port that nobody listens on.
port=8000
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done

mkdir "$work/demo"
cd "$work/demo"
run dstack init --example quickstart
run dstack plan --var port=$port
run dstack apply --auto-approve --wait --var port=$port
run dstack ps --all
run dstack logs write
[ "$(dstack logs write)" = "hello from write" ] || fail "the log of the task is not what it wrote"

url=$(dstack output --raw url)
step "GET $url"
# The gateway listens on this machine; the name of the service is in the request. bash can ask without curl.
host=${url#http://}
host=${host%%/*}
exec 3<>"/dev/tcp/127.0.0.1/${host##*:}"
printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$host" >&3
answer=$(tr -d '\r' <&3)
exec 3>&-
echo "$answer"
case $answer in
"HTTP/1."[01]" 200"*"hello from write"*) ;;
*) fail "the service did not answer 200 with the page" ;;
esac

step "dstack plan --var port=$port"
second=$(dstack plan --detailed-exitcode --var port=$port) || fail "the second plan is not empty: $second"
echo "$second"
case $second in "No changes."*) ;; *) fail "the second plan is not empty" ;; esac

run dstack destroy --auto-approve --var port=$port
[ -z "$(dstack state list)" ] || fail "the state still lists something"

step "ls \$DSTACK_HOME/local/*"
left=$(find "$DSTACK_HOME/local" -mindepth 2 -maxdepth 2)
ls -A "$DSTACK_HOME"/local/*
[ -z "$left" ] || fail "the provider still holds $left"
if [ -d /proc/self ]; then
  for p in /proc/[0-9]*; do
    cmd=$(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) || continue
    case $cmd in *"$DSTACK_HOME"*) fail "a process is left: $cmd" ;; esac
  done
fi
printf '\nNothing is left. The demo worked.\n'
