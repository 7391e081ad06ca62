"""Figures as a run could find them."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks.figures import Burst, Cost, Figures, Single
from benchmarks.machine import Machine

CREATED = 1_700_000_000.0


def single(seconds: float = 1.5, without: str = "") -> Single:
    told = {"accepted": 0.1, "started": 1.0, "imported": 1.3, "simulated": 1.35, "stored": 1.4, "promoted": 1.45}
    times = {
        stage: datetime.fromtimestamp(CREATED + after, UTC).isoformat()
        for stage, after in told.items()
        if stage != without
    }
    return Single(CREATED, CREATED + 0.15, CREATED + seconds, times)


def figures(burst_ms: float = 540.0, others: int = 0) -> Figures:
    cost = Cost(
        idle_ms_per_s=1.0,
        burst_ms=burst_ms,
        series_ms=1170.0,
        cleaning_ms=60.0,
        burst_jobs=60,
        series_jobs=130,
        cleaned_jobs=60,
        resident_mib=85.0,
        peak_mib=90.0,
        total_jobs=200,
    )
    return Figures(
        singles=[single(), single()],
        raw=[3.0, 3.0],
        burst=Burst(60, 50.0),
        raw_burst=Burst(60, 40.0),
        cost=cost,
        verified=2,
        others=others,
    )


def machine() -> Machine:
    return Machine("2026-01-02", 1, 2, 23.5, "6.1.0", "v1.34.4", "containerd://1.6.20", {"qiskit-aer": "0.18.2"})
