"""The messages between worker and operator, all by HTTPS POST of JSON with the worker's token as bearer.

    POST /v1/orders                       -> 200 Order
    POST /v1/orders/<uid>/<shard>/urls    UrlsRequest -> 200 list of SegmentUrl
    POST /v1/orders/<uid>/<shard>/ended   Ended -> 204

401: the token proves nothing. 403: its pod is no worker, or not of this job. 503, and 204 to a question for an order:
nothing now, ask again.

What a worker says is a hint; promotion believes the store alone.
"""

from __future__ import annotations

from typing import Final

import msgspec

PATH_ORDERS: Final = "/v1/orders"


class SegmentUrl(msgspec.Struct, frozen=True):
    """A presigned URL of one segment: for PUT in `next` and `last`, for GET in `found`."""

    name: str
    url: str


class Order(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """One shard of one QuantumJob, with presigned URLs of just the objects that it may read and write."""

    uid: str
    shard: int
    program_url: str
    program: msgspec.Raw = msgspec.Raw(b"")
    """The program itself, where it is small: the same bytes as behind `program_url`."""
    circuits: dict[str, str]
    """Presigned GET by the object key as the program names it."""
    found: list[SegmentUrl] = []
    """Segments that exist already: an earlier attempt's. Their pubs are done."""
    next: list[SegmentUrl]
    last: str
    """Presigned PUT of the last segment."""
    last_key: str
    """Full keys are needed to describe segments; those of the others differ from this one only in the name."""
    seconds_left: float | None = None
    """Until the job's deadline."""
    store_ca: str = ""
    """PEM of the store's authority; empty for the system's."""


class UrlsRequest(msgspec.Struct, frozen=True):
    """Asks for the URLs of segments from this number on."""

    start: int


class Ended(msgspec.Struct, frozen=True, rename="camel"):
    """A worker has stored its last segment."""

    simulated: str
    stored: str
    """RFC 3339 times."""


def urls_path(uid: str, shard: int) -> str:
    return f"{PATH_ORDERS}/{uid}/{shard}/urls"


def ended_path(uid: str, shard: int) -> str:
    return f"{PATH_ORDERS}/{uid}/{shard}/ended"
