#!/usr/bin/env bash
# Every task of a SLURM array (numbered without gaps) trains its share of a sweep's cells, on one GPU.
#
#   sbatch --array=0-7 --gres=gpu:1 scripts/slurm_array.sh study=vanishing_gradient size=full
#
# A cell's identity decides which task trains it; submitting again trains what is missing. When the
# array is done: python scripts/report.py runs/vanishing_gradient
#SBATCH --job-name=gradient-flow
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --time=04:00:00
set -euo pipefail
: "${SLURM_ARRAY_TASK_ID:?start this with sbatch --array=0-N}"
cd "${SLURM_SUBMIT_DIR:-$(dirname "$0")/..}"
exec "${PYTHON:-python}" scripts/train.py "$@" \
  hydra/launcher=stacked \
  "hydra.launcher.share=$((SLURM_ARRAY_TASK_ID - ${SLURM_ARRAY_TASK_MIN:-0}))" \
  "hydra.launcher.shares=${SLURM_ARRAY_TASK_COUNT:-1}" \
  "trainer.accelerator=${ACCELERATOR:-gpu}"
