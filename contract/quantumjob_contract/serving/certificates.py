"""The serving certificate of a part that serves, kept as new as its files."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

RELOAD_SECONDS: Final = 60.0


async def keep(context: ssl.SSLContext, directory: Path) -> None:
    """Load the certificate, and again whenever its file has changed, so that its renewal needs no restart."""
    loaded = 0.0
    while True:
        try:
            changed = (directory / "tls.crt").stat().st_mtime
            if changed != loaded:
                context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
                loaded = changed
        except OSError as error:  # ssl.SSLError is one: half a renewal, or none; the old one serves on
            logger.warning("The new certificate cannot be loaded yet", extra={"cause": str(error)})
        await asyncio.sleep(RELOAD_SECONDS)
