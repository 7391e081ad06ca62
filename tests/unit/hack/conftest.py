"""`hack/` is no part of the distribution: its commands put it on the path themselves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "hack"))
