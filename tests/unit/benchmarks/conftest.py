"""Puts `benchmarks/` and `hack/` on the path: they are no part of the distribution."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "hack")]
