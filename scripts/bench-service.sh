#!/usr/bin/env bash
# Load on `routelab serve` over loopback, with wrk (apt-get install wrk): what a decision costs, requests per second, memory.
#   scripts/bench-service.sh FOLDER ROUTER SECONDS [ARGUMENTS OF THE STAND-IN]
# FOLDER is one that the commands of docs/service.md made (pool.toml, runs/), ROUTER a router in it, such as runs/mine/models/linear.
# The programs routelab and stand_in are those of PATH.
set -euo pipefail
folder=$1 router=$2 seconds=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
models=8191 server=8181
sed "s|http://127.0.0.1:[0-9]*/v1|http://127.0.0.1:$models/v1|; s|^concurrency.*|timeout = 2|" "$folder/pool.toml" > "$place/pool.toml"
stand_in --port $models "$@" > /dev/null &
stand_in=$!
export STAND_IN_KEY=none ROUTELAB_TOKEN=token
routelab serve "$folder/$router" --pool "$place/pool.toml" --port $server --concurrency 1024 --decisions "$place/decisions.jsonl" \
  --weights "$here/../models/all-MiniLM-L6-v2" > /dev/null &
serve=$!
trap 'kill $serve $stand_in; wait $serve || true; rm -r "$place"' EXIT
until curl -fsS "http://127.0.0.1:$server/healthz" > /dev/null 2>&1; do sleep 0.2; done

memory() { awk '/VmRSS/ { printf "%.1f MiB", $2 / 1024 }' "/proc/$serve/status"; }
load() { # what, connections, seconds, address, model
  MODEL=$5 wrk -t1 -c"$2" -d"$3"s --timeout 20s --latency -s "$here/bench-service.lua" "http://127.0.0.1:$4" > "$place/wrk"
  echo "$1: $(awk '/^ *50%/ { p50 = $2 } /^ *99%/ { p99 = $2 } /Requests\/sec/ { rate = $2 } /requests in/ { all = $1 }
    /Non-2xx/ { bad = $NF } /Socket errors/ { errors = $0 } END { printf "%s requests, %s/s, p50 %s, p99 %s, not answered %d%s", all, rate, p50, p99, bad, errors }' "$place/wrk")"
}
short=$((seconds < 20 ? seconds : 20))
load "a model alone, 1 connection" 1 $short "$models/v1/chat/completions" small
load "the same model through the server, by its name" 1 $short "$server/v1/chat/completions" small
load "decided and forwarded, 1 connection" 1 $short "$server/v1/chat/completions" routelab
load "the decision alone, 1 connection" 1 $short "$server/v1/route" routelab
echo "memory before: $(memory)"
(for _ in $(seq $((seconds / 60))); do sleep 60; echo "memory: $(memory)"; done) &
watch=$!
load "decided and forwarded, 16 connections, $seconds s" 16 "$seconds" "$server/v1/chat/completions" routelab
wait $watch
echo "memory after: $(memory)"
curl -sS -H "Authorization: Bearer token" "http://127.0.0.1:$server/metrics" | awk '/decision_seconds_sum/ { sum = $2 } /decision_seconds_count/ { count = $2 } END { printf "mean decision: %.3f ms\n", 1000 * sum / count }'
echo "lines in the log of decisions: $(wc -l < "$place/decisions.jsonl")"
