"""Reads and writes objects by presigned URL: GET and write-once PUT over urllib3.

The worker has no other client of the store: it holds no credentials and runs no event loop. Clients with credentials
(`store`) sign URLs for themselves, so that the write-once PUT and its statuses are defined once.
"""

from __future__ import annotations

import hashlib
import logging
import ssl
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3

from quantumjob_contract.store_errors import AccessDenied, ObjectNotFound, ObjectTooLarge, StoreUnavailable

ATTEMPTS: Final = 4
BACKOFF_SECONDS: Final = 0.2
RETRIED: Final = (429, 500, 502, 503, 504)
"""The retry policy of every request to a store, by urllib3 and by aiohttp: a second, to outlast a store's restart of a
connection. Who can wait longer does so around it: the operator's work queue, the worker between heartbeats."""
RETRIES = urllib3.Retry(
    total=ATTEMPTS - 1,
    backoff_factor=BACKOFF_SECONDS,
    status_forcelist=RETRIED,
    allowed_methods=None,
    raise_on_status=False,
)
"""A repeat is harmless: reads change nothing, and a write that did arrive answers 412 to its repeat."""


# urllib3 logs each retry with the whole URL. Its signature must not reach a log.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


WRITE_ONCE: Final = {"If-None-Match": "*", "Content-Type": "application/json"}
"""Headers of a write-once PUT: the store answers 412 where the object exists."""


PIECE: Final = 1 << 18
"""Bytes sent at a time. The connection's timeout applies to each piece."""


class Put(Enum):
    """What a write-once PUT did."""

    WRITTEN = "written"
    EXISTED = "existed"


class LazySystemTrust(ssl.SSLContext):
    """Trusts the given certificate authorities, and loads the system's when a certificate is not signed by one of them.

    Loading the system's takes longer than a small job. The first connection that needs them fails, and its retry
    succeeds.
    """

    _complete = False

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        try:
            return super().wrap_socket(*args, **kwargs)
        except ssl.SSLCertVerificationError:
            if not self._complete:
                self.load_default_certs()
                self._complete = True
            raise


def pool(ca_pem: str = "", *, size: int = 8, timeout: float = 30.0, alone: bool = False) -> urllib3.PoolManager:
    """Returns a connection pool that trusts the authorities in `ca_pem` and, unless `alone`, those of the system."""
    if ca_pem and not alone:
        context: ssl.SSLContext = LazySystemTrust(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca_pem)
    else:
        context = ssl.create_default_context(cadata=ca_pem or None)
    return urllib3.PoolManager(
        maxsize=size,
        retries=RETRIES,
        timeout=urllib3.Timeout(connect=min(5.0, timeout), read=timeout),
        ssl_context=context,
    )


def get(http: urllib3.PoolManager, url: str, limit: int) -> bytes:
    """Returns the object's bytes. Raises ObjectTooLarge above `limit` bytes, and other StoreErrors."""
    try:
        response = http.request("GET", url, preload_content=False)
        try:
            if response.status >= 300:
                response.drain_conn()
                check(response.status, url)
            declared = int(response.headers.get("Content-Length", 0))
            data = b"" if declared > limit else response.read(limit + 1)
            if max(declared, len(data)) > limit:
                response.close()
                raise ObjectTooLarge(f"{max(declared, len(data))} bytes")
        finally:
            response.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailable(type(error).__name__) from None
    return data


def put_once(http: urllib3.PoolManager, url: str, data: bytes) -> Put:
    """Writes an object unless its key exists. Raises StoreError."""
    try:
        response = http.request("PUT", url, body=data, headers=WRITE_ONCE)
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailable(type(error).__name__) from None
    return outcome(response.status, url)


def put_parts_once(http: urllib3.PoolManager, url: str, parts: Sequence[memoryview]) -> Put:
    """Writes an object given in parts, without copying them, unless its key exists. Raises StoreError."""
    pieces: list[Any] = [part[at : at + PIECE] for part in parts for at in range(0, len(part), PIECE)]
    headers = WRITE_ONCE | {"Content-Type": "application/octet-stream", "Content-Length": str(sum(map(len, pieces)))}
    try:
        response = http.request("PUT", url, body=pieces, headers=headers)  # a list, which a retry can iterate again
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailable(type(error).__name__) from None
    return outcome(response.status, url)


def outcome(status: int, url: str) -> Put:
    """Returns what a write-once PUT did, by the status of its response. Raises StoreError."""
    if status == 412:
        return Put.EXISTED
    check(status, url)
    return Put.WRITTEN


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check(status: int, url: str) -> None:
    """Raises the StoreError for an HTTP status of 300 or above."""
    if status == 404:
        raise ObjectNotFound(urlsplit(url).path)
    if status in (400, 401, 403):
        raise AccessDenied(f"HTTP {status}")
    if status >= 300:
        raise StoreUnavailable(f"HTTP {status}")
