#!/bin/sh
# Workers on a Slurm cluster, for an API and a Dask scheduler that run outside of it:
#
#     sbatch --array=0-9 docs/deploy/slurm-workers.sh tcp://lab:8786
#
# Ten times eight workers. They leave by themselves before their time is over, and their chunks are
# sent again; a node that dies costs seconds of computing. scancel ends them at any time.
#SBATCH --job-name=relu-landscape
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=1G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@60
set -eu
scheduler=${1:?the address of the scheduler, for example tcp://lab:8786}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
exec "${RELU_LANDSCAPE_BIN:-/opt/relu-landscape/bin}/dask" worker "$scheduler" \
    --nthreads 1 --nworkers "${SLURM_CPUS_PER_TASK:-1}" \
    --no-dashboard --local-directory "${TMPDIR:-/tmp}" \
    --lifetime 3h50m --death-timeout 120
