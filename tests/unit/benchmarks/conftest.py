"""`benchmarks/` and `hack/` are no part of the distribution: their commands put them on the path themselves."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "hack")]
