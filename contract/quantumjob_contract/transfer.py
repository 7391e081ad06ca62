"""GET and write-once PUT by presigned URL: the one way in which data reaches and leaves the store."""

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


# urllib3 tells of each retry with the whole URL, its signature included: that must reach no log.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


WRITE_ONCE: Final = {"If-None-Match": "*", "Content-Type": "application/json"}
"""Headers of a PUT of an object that must not exist yet."""


PIECE: Final = 1 << 18
"""Bytes sent at a time: a connection's timeout is for each."""


class Put(Enum):
    """What a write-once PUT did."""

    WRITTEN = "written"
    EXISTED = "existed"


class LazySystemTrust(ssl.SSLContext):
    """Trusts the authorities that it was given, and the system's once a server has shown that those will not do.

    To load the system's takes longer than a small job. The connection at which they turn out to be needed fails, and
    its repeat succeeds.
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
    """An HTTP connection pool that trusts the authorities in `ca_pem`, and the system's unless those stand alone."""
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
    """The object's bytes, at most `limit` of them. Raises StoreError."""
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
    """Write an object that must not exist yet. Raises StoreError."""
    try:
        response = http.request("PUT", url, body=data, headers=WRITE_ONCE)
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailable(type(error).__name__) from None
    return outcome(response.status, url)


def put_parts_once(http: urllib3.PoolManager, url: str, parts: Sequence[memoryview]) -> Put:
    """The same of an object in parts, which are not copied. Raises StoreError."""
    pieces: list[Any] = [part[at : at + PIECE] for part in parts for at in range(0, len(part), PIECE)]
    headers = WRITE_ONCE | {"Content-Type": "application/octet-stream", "Content-Length": str(sum(map(len, pieces)))}
    try:
        response = http.request("PUT", url, body=pieces, headers=headers)  # a list: a repeat begins anew
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailable(type(error).__name__) from None
    return outcome(response.status, url)


def outcome(status: int, url: str) -> Put:
    """What a write-once PUT did, by the answer's status. Raises StoreError."""
    if status == 412:
        return Put.EXISTED
    check(status, url)
    return Put.WRITTEN


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check(status: int, url: str) -> None:
    """Raises the StoreError that an HTTP status stands for."""
    if status == 404:
        raise ObjectNotFound(urlsplit(url).path)
    if status in (400, 401, 403):
        raise AccessDenied(f"HTTP {status}")
    if status >= 300:
        raise StoreUnavailable(f"HTTP {status}")
