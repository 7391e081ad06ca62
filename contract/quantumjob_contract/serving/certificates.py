"""Reloads the serving certificate when its files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

RELOAD_SECONDS: Final = 60.0


async def keep(context: ssl.SSLContext, directory: Path) -> None:
    """Loads the certificate, and again after each change of its file, so that a renewal needs no restart."""
    loaded = 0.0
    while True:
        try:
            changed = (directory / "tls.crt").stat().st_mtime
            if changed != loaded:
                context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
                loaded = changed
        except OSError as error:  # includes ssl.SSLError: the renewal is incomplete, and the old certificate stays
            logger.warning(
                "The new certificate cannot be loaded; the old one stays in use", extra={"cause": str(error)}
            )
        await asyncio.sleep(RELOAD_SECONDS)
