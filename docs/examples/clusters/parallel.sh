#!/bin/bash
# GNU parallel: the shards of an experiment on this machine or on several, then the merge.
#
#   docs/examples/clusters/parallel.sh experiments/collapse.toml 4
#
# Several machines: HOSTS names a file with one `ssh` destination per line. All must see this folder under the same path, and
# have `routelab` on the PATH of a login without a terminal.
#
#   HOSTS=hosts.txt docs/examples/clusters/parallel.sh experiments/collapse.toml 8
#
# JOBS is how many shards run at a time on each machine. One keeps all cores busy; more only help where a core waits.
# After a failure the same command goes on where it was.

set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 EXPERIMENT SHARDS [OUT]" >&2
    exit 2
fi
experiment=$1
shards=$2
out=${3:-runs}

# `:` is this machine, without ssh.
hosts=(--sshlogin :)
if [ -n "${HOSTS:-}" ]; then
    hosts=(--sshloginfile "$HOSTS" --workdir "$PWD")
fi

# A shard that fails does not stop the others; parallel ends with the number of those that failed, and nothing is merged.
seq "$shards" | parallel "${hosts[@]}" --jobs "${JOBS:-1}" --line-buffer --tagstring 'shard {}' \
    routelab run "$experiment" --out "$out" --shard "{}/$shards"

routelab merge "$experiment" --out "$out"
