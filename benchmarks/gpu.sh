#!/usr/bin/env bash
# On a machine with a CUDA GPU, in at most 8 minutes: the tests of the CUDA paths, then BERT-base and
# GPT-2 sizes (random weights, bf16) against the stock Trainer: tokens/s, their ratio, both mean
# losses, and the share of the measured peak of matrix products. Not run yet: no GPU was at hand.
#
#     bash benchmarks/gpu.sh [RESULT.json]      figures into gpu.json by default; PYTHON names another python
set -euo pipefail
if [ "${1:-}" = "--help" ]; then
  sed -n '2,6s/^# \{0,1\}//p' "$0"
  exit
fi
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
"$python" -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else "torch sees no CUDA GPU")'
timeout 120 "$python" -m pytest -q -p no:cacheprovider tests/trainer/models/test_packing.py tests/trainer/test_options.py
timeout 350 "$python" benchmarks/training.py --rounds 1 --json "${1:-gpu.json}"
