#!/bin/bash
# Slurm: every task of a job array fits one shard of an experiment; a second job merges them when all have succeeded.
#
#   cd /shared/routelab                            # the repository, on a file system that every node sees
#   n=8                                            # how many shards
#   job=$(sbatch --parsable --array=1-$n docs/examples/clusters/slurm.sh experiments/collapse.toml $n)
#   sbatch --dependency=afterok:$job --wrap="routelab merge experiments/collapse.toml"
#
# Some tasks failed? Submit those again, with the same number of shards: each goes on where it was.
#
#   sbatch --array=3,7 docs/examples/clusters/slurm.sh experiments/collapse.toml 8
#
#SBATCH --job-name=routelab
#SBATCH --cpus-per-task=8                          # a shard keeps them all busy
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --requeue                                  # a task that loses its node starts again, and goes on where it was
#SBATCH --output=slurm-%A-%a.out

set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: sbatch --array=1-SHARDS $0 EXPERIMENT SHARDS [further arguments of routelab run]" >&2
    exit 2
fi
experiment=$1
# Not SLURM_ARRAY_TASK_COUNT: that is smaller when only some tasks are submitted again.
shards=$2
shift 2

exec routelab run "$experiment" "$@" --shard "$SLURM_ARRAY_TASK_ID/$shards"
