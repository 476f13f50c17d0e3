"""From a version of the set to a compared model. Knows nothing of the pipeline."""

import os

# Threads that wait for each other spin for a while before they sleep. On cores that something else
# keeps busy the one they wait for is not running, and a step then takes ten times as long
# (benchmarks/threads.py). The library of OpenMP reads this when torch is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
