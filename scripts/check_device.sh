#!/usr/bin/env bash
# A whole check of a machine with a graphics card, in a few minutes: what there is, the references' golden numbers, the backends compared,
# the time of whole stages at RouterBench's size and at ten times that, and the same in PyTorch where python3 has it.
#   scripts/check_device.sh [--routelab BINARY] [--golden BINARY] [--backends a,b,…] [--minutes 8] [--out FOLDER] [--quick]
# Needs bash, coreutils, awk, sed, tar and gzip. The binaries are those beside this folder (in what scripts/pack_device.sh packs); else
# pack_device.sh builds them, where there is cargo. --backends: as `routelab run --backend` takes them, the first is the one that others are
# compared with; by default flex and all that `routelab backends` calls ready. --quick: tiny sizes, to try the script itself.
# FOLDER (device-check unless named) gets result.json, summary.md, the comparison's figures, and every output in raw.tar.gz. Each step gets a
# share of the time that is left; one that fails or does not fit is said in both, and the others go on. Ends with 1 if a step failed.
# docs/device-check.md says how to read it.
set -uo pipefail
{ # read whole before anything runs, so that a change of this file meanwhile does no harm
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() { printf 'error: %s\n' "$1" >&2; exit 2; }
routelab='' golden='' backends='' minutes=8 out=device-check quick=''
while [ $# -gt 0 ]; do
  case $1 in
    --routelab | --golden | --backends | --minutes | --out)
      [ $# -gt 1 ] || fail "$1 needs a value; see the head of $0"
      printf -v "${1#--}" %s "$2"
      shift 2 ;;
    --quick) quick=yes; shift ;;
    *) fail "$0 does not know $1; see its head" ;;
  esac
done
[[ $minutes =~ ^[0-9]{1,3}(\.[0-9]+)?$ ]] || fail "--minutes $minutes must be a number above 0 and below 1000"
budget=$(awk "BEGIN { print int(60 * $minutes) }")

if [ -z "$routelab" ] && [ -x "$here/routelab" ]; then routelab=$here/routelab; fi
if [ -z "$routelab" ]; then
  command -v cargo > /dev/null || fail "no program: give --routelab BINARY, or build a package with scripts/pack_device.sh elsewhere"
  "$here/scripts/pack_device.sh" || fail "the program could not be built; see above"
  routelab=$here/target/device/routelab-device/routelab golden=${golden:-$here/target/device/routelab-device/golden}
fi
[ -x "$routelab" ] || fail "--routelab $routelab is no program"
routelab=$(realpath "$routelab")
if [ -z "$golden" ] && [ -x "$here/golden" ]; then golden=$here/golden; fi
if [ -n "$golden" ]; then
  [ -x "$golden" ] || fail "--golden $golden is no program"
  golden=$(realpath "$golden")
fi
if ! says=$("$routelab" --version 2>&1); then fail "$routelab does not run here: $says"; fi
raw=$out/raw
rm -rf "$raw"
mkdir -p "$raw" || fail "cannot write to --out $out"
out=$(cd "$out" && pwd) raw=$(cd "$raw" && pwd)
rm -f "$out"/result.json "$out"/summary.md "$out"/raw.tar.gz "$out"/backends-*
cd "$here" || fail "cannot enter $here"

# Sizes: rows and epochs of the comparison; queries of the benchmark, ten times that, and its other sizes.
compare_sizes=(--epochs 3) queries=36497 sizes=(--epochs 1)
if [ -n "$quick" ]; then
  compare_sizes=(--epochs 2 --rows 40 --batch-sizes 16) queries=300 sizes=(--epochs 1 --models 3 --dimension 16)
fi
# CUDA's kernels need one file of its toolkit, with functions such as the exponential. Where there is no toolkit, that of a Triton in Python.
if [ -z "${CUDA_PATH:-}" ] && [ ! -d /usr/local/cuda/nvvm/libdevice ] && command -v python3 > /dev/null; then
  libdevice=$(timeout 30 python3 -c 'import importlib.util as u, pathlib as p
print(p.Path(u.find_spec("triton").origin).parent / "backends/nvidia/lib/libdevice.10.bc")' 2> /dev/null)
  if [ -f "$libdevice" ]; then
    CUDA_PATH=$(mktemp -d)
    export CUDA_PATH
    trap 'rm -rf "$CUDA_PATH"' EXIT
    mkdir -p "$CUDA_PATH/nvvm/libdevice"
    cp "$libdevice" "$CUDA_PATH/nvvm/libdevice/"
  fi
fi

deadline=$((SECONDS + budget))
left() { echo $((deadline - SECONDS)); }
failed=0 steps=() table=''

# A text as JSON.
quoted() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  printf '"%s"' "$(tr -d '\000-\037' <<< "$text")"
}

record() { # name, done | failed | skipped, seconds, reason
  steps+=("{ \"step\": $(quoted "$1"), \"status\": \"$2\", \"seconds\": $3, \"reason\": $(quoted "$4") }")
  table+="| $1 | $2 | $3 | ${4//|/\\|} |"$'\n'
  printf '%-34s %-8s %4s s  %s\n' "$1" "$2" "$3" "$4"
  if [ "$2" = failed ]; then failed=1; fi
}

# Runs a step within a share (per cent) of the time that is left; standard output goes to a file of raw.
step() { # name, file, share, least seconds, command…
  local name=$1 file=$raw/$2 share=$3 least=$4 start=$SECONDS limit code reason
  shift 4
  limit=$(($(left) * share / 100))
  if [ "$limit" -lt "$least" ]; then
    record "$name" skipped 0 "its share of the time that is left is $((limit > 0 ? limit : 0)) s, and it takes $least s or more"
    return 1
  fi
  timeout --kill-after=5 "$limit" "$@" > "$file" 2> "$file.err"
  code=$?
  if [ $code -eq 0 ]; then
    record "$name" 'done' $((SECONDS - start)) ''
    return 0
  fi
  reason=$(grep -hm 1 -A 1 -e '^error: ' -e panicked -e '^[A-Za-z]*Error: ' "$file.err" "$file" | tr '\n' ' ' | cut -c 1-300)
  if [ -z "$reason" ]; then reason=$(grep -h . "$file.err" "$file" | tail -n 1 | cut -c 1-300); fi
  if [ $code -eq 124 ] || [ $code -eq 137 ]; then reason="stopped after its share of the time, $limit s"; fi
  record "$name" failed $((SECONDS - start)) "${reason:-ended with $code}"
  return 1
}

# The machine.
{
  uname -srm
  echo "$(nproc) threads, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
  if command -v nvidia-smi > /dev/null; then
    timeout 20 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  fi
  echo "$says"
} > "$raw/machine.txt" 2>&1

step 'backends listed' backends.json 25 1 "$routelab" backends --json
if [ -z "$backends" ]; then
  # Servers of remote devices are asked for by their address only.
  backends=$(awk -F '"' '/^    "name":/ { name = $4 } /^    "place":/ { place = $4 }
    /^    "ready": true/ && place != "network" && name != "flex" { printf ",%s", name }' "$raw/backends.json" 2> /dev/null)
  backends=flex$backends
fi
IFS=, read -ra names <<< "$backends"
# Cards first, so that what comes too late is what is known anyway.
cards=() processors=()
for name in "${names[@]}"; do
  case $name in
    flex* | ndarray* | cpu*) processors+=("$name") ;;
    *) cards+=("$name") ;;
  esac
done
ordered=("${cards[@]}" "${processors[@]}")

# Single precision: a smaller one cannot have the references' digits.
full=()
for name in "${ordered[@]}"; do
  name=${name%@*}
  case " ${full[*]} " in
    *" $name "*) ;;
    *) full+=("$name") ;;
  esac
done
# Passing no test at all is no success.
# shellcheck disable=SC2016
tests='set -o pipefail; "$0" reference initial_weights of_cards 2>&1 | tee /dev/stderr | grep "^test result: ok. [1-9]"'
for name in "${full[@]}"; do
  if [ -z "$golden" ]; then
    record "golden numbers, $name" skipped 0 'no --golden BINARY'
  else
    step "golden numbers, $name" "golden-${name//[^a-zA-Z0-9]/-}.txt" 25 5 \
      env "ROUTELAB_TEST_BACKENDS=$name" ROUTELAB_GPU_TESTS=1 bash -c "$tests" "$golden"
  fi
done

compared=no
if step 'backends compared' compare.json 60 10 "$routelab" --json backends compare experiments/paper/main-text.toml \
  --backends "$backends" --router 'EquiRouter (ties by cost)' "${compare_sizes[@]}" --out "$raw"; then
  compared=yes
  mv "$raw"/backends/main-text/backends-* "$out"
  while IFS=$'\t' read -r name problem; do
    record "comparison, $name" failed 0 "${problem//\\n/ }"
  done < <(awk -F '": ' '/^    "backend":/ { name = $2; gsub(/[",]/, "", name) }
    /^    "problem":/ { sub(/^ *"problem": "/, ""); sub(/"$/, ""); print name "\t" $0 }' "$raw/compare.json")
fi

# Whole stages, here and in PyTorch, at both sizes.
torch=()
if ! command -v python3 > /dev/null; then
  record PyTorch skipped 0 'no python3'
elif ! cuda=$(timeout 60 python3 -c 'import numpy, torch; print(torch.cuda.is_available())' 2> /dev/null); then
  record PyTorch skipped 0 'python3 has no torch, or no numpy'
elif [ "$cuda" = True ]; then
  torch=(cuda cpu)
else
  torch=(cpu)
fi
# kNN, whose time grows with the square of the queries: on a processor at the first size only. It has nothing to compile.
nearest() { # backend or device of PyTorch, --compile or nothing
  case $times-$1-${2-} in
    *--compile | 10-flex* | 10-ndarray* | 10-cpu*) ;;
    *) printf ,knn ;;
  esac
}
for times in 1 10; do
  count=$((queries * times))
  for name in "${ordered[@]}"; do
    file=bench-${name//[^a-zA-Z0-9]/-}-$count
    step "$count queries, $name" "$file.txt" 40 5 "$routelab" bench --backend "$name" --stages "equirouter,cost$(nearest "$name")" \
      --queries "$count" "${sizes[@]}" --out "$raw/$file.json"
  done
  for device in "${torch[@]}"; do
    for compile in '' --compile; do
      step "$count queries, PyTorch $device${compile:+ compiled}" "torch-$device${compile#-}-$count.json" 40 10 \
        python3 scripts/bench_pytorch.py --stages "equirouter$(nearest "$device" "$compile")" --device "$device" --threads "$(nproc)" ${compile:+"$compile"} \
        --queries "$count" "${sizes[@]}"
    done
  done
done

# Whole results only: what was stopped leaves a part, or nothing.
whole() { [ -s "$1" ] && [ "$(tail -n 1 "$1")" = '}' ]; }
benches=()
for file in "$raw"/bench-*.json "$raw"/torch-*.json; do
  if whole "$file"; then benches+=("$file"); fi
done
# JSON files, one after the other, as one array.
array() {
  local comma=''
  for file in "$@"; do
    printf '%s' "$comma"
    cat "$file"
    comma=','
  done
}
{
  printf '{\n"machine": %s,\n"budget": %d,\n"seconds": %d,\n"quick": %s,\n"steps": [\n' \
    "$(quoted "$(cat "$raw/machine.txt")")" "$budget" "$SECONDS" "$([ -n "$quick" ] && echo true || echo false)"
  (IFS=,; printf '%s' "${steps[*]}")
  printf '],\n"backends": '
  grep -qs '^]' "$raw/backends.json" && cat "$raw/backends.json" || echo null
  printf ',\n"compare": '
  [ $compared = yes ] && cat "$raw/compare.json" || echo null
  printf ',\n"bench": ['
  array "${benches[@]}"
  printf ']\n}\n'
} > "$out/result.json"
{
  printf '# Check of a device\n\n```\n'
  cat "$raw/machine.txt"
  printf '```\n\n%d s of %d.%s\n\n| step | status | seconds | reason |\n|---|---|---|---|\n%s' \
    "$SECONDS" "$budget" "$([ -n "$quick" ] && echo ' Tiny sizes (--quick): the times mean nothing.')" "$table"
  if [ $compared = yes ]; then
    printf '\n# Comparison\n\n'
    for figure in "$out"/backends-*.png; do printf '![comparison](%s)\n\n' "$(basename "$figure")"; done
    cat "$raw/backends/main-text/backends.md"
  fi
  printf '\n# Stages\n\nQueries are trained on, or predicted; an epoch counts each once. Warm-up: a run before, with the compilation of kernels.\n\n'
  printf '| queries in all | stage | on | seconds | queries/s | warm-up, s |\n|---|---|---|---|---|---|\n'
  for file in "${benches[@]}"; do
    awk '{ gsub(/[",]/, ""); key = $1; sub(/^ *[^ ]+ /, ""); value[key] = $0 }
      key == "queries:" { all = $0 }
      key == "rows:" { rows = $0 }
      key == "peak_mib:" { printf "| %s | %s | %s | %.3f | %.0f | %s |\n", all, value["stage:"], value["on:"], value["seconds:"],
        rows / value["seconds:"], value["warm_up:"] == "null" ? "-" : sprintf("%.1f", value["warm_up:"]) }' "$file"
  done
} > "$out/summary.md"
tar -czf "$out/raw.tar.gz" -C "$out" raw && rm -rf "$raw"
echo "$out: summary.md, result.json$([ $compared = yes ] && echo ', figures of the comparison')"
exit $failed
}
