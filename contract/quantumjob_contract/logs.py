"""Configures logging: JSON lines on stderr, the same in each process."""

from __future__ import annotations

import logging

from pythonjsonlogger.json import JsonFormatter


def configure(package: str | None) -> None:
    """Logs this package from INFO on, all others from WARNING on."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(package).setLevel(logging.INFO)
