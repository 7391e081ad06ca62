"""Messages between worker and order service: HTTPS POST of JSON, with the pod's service account token as bearer.

    POST /v1/orders                       OrderRequest -> 200 Order, 204 none yet, 410 none any more: exit
    POST /v1/orders/<uid>/<shard>/urls    UrlsRequest -> 200 list of SegmentUrl
    POST /v1/orders/<uid>/<shard>/alive   HeartbeatRequest -> 200 HeartbeatResponse

POST /v1/orders is a long poll; it reports how the previous order ended. 401: the token is not valid. 403: its pod is
no worker, or not of this job. 503, like 204: ask again.

A worker's report is a hint: promotion reads the store.
"""

from __future__ import annotations

from typing import Final

import msgspec

PATH_ORDERS: Final = "/v1/orders"
ALIVE_SECONDS: Final = 2.0
"""Seconds between two heartbeats of a worker that has an order."""
POLL_SECONDS: Final = 25.0
"""Longest time for which the operator holds a request while there is no order."""


class SegmentUrl(msgspec.Struct, frozen=True, omit_defaults=True):
    """Presigned URL of one segment: PUT in `next`, GET in `found`."""

    name: str
    url: str
    arrays: str = ""
    """Presigned PUT of the segment's arrays; in `next` where the program saves arrays."""


class Order(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """One shard of a QuantumJob, with presigned URLs of exactly the objects that the worker may read and write."""

    uid: str
    shard: int
    program_url: str
    program: msgspec.Raw = msgspec.Raw(b"")
    """The program where it is small: the bytes of the object of `program_url`."""
    circuits: dict[str, str]
    """Presigned GET by object key, as in the program."""
    found: list[SegmentUrl] = []
    """Segments of earlier attempts. Their pubs are done."""
    next: list[SegmentUrl]
    last: str
    """Presigned PUT of the last segment."""
    last_key: str
    """Full key of the last segment. Keys of the other segments differ from it in the name only."""
    seconds_left: float | None = None
    """Until the job's deadline."""
    only: bool = False
    """The worker is dedicated: it gets no other order, and its exit code is that of this one."""
    store_ca: str = ""
    """PEM of the authority of the store's certificate; empty for the system's."""


class UrlsRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Requests URLs of segments from a number on."""

    start: int
    arrays: bool = False
    """URLs of the segments' arrays, too."""


class EndedOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """Reports how an order ended."""

    uid: str
    shard: int
    code: int = 0
    """An `exit_codes.Exit`: DONE when the last segment is stored, else the exit code of a dedicated worker."""
    message: str = ""
    """The cause where it is not DONE, in the worker's words: no text of a server or a circuit."""
    computed: int = 0
    """Pubs that this worker ran, without those of earlier attempts."""


class OrderRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Requests an order, and reports how the previous one ended."""

    ended: EndedOrder | None = None
    leaving: bool = False
    """The worker takes no further order: it reached its number of orders, or its memory grew. The answer is 410."""


class HeartbeatRequest(msgspec.Struct, frozen=True):
    """Heartbeat of a worker that has an order, every ALIVE_SECONDS. A shorter order has none."""

    done: int
    total: int
    """Pubs of the shard; `done` of them have a result or an error."""


class HeartbeatResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answer to a heartbeat."""

    stop: bool = False
    """Stop the order, store what is done, and report its end: it was cancelled, or another worker finished it."""


def urls_path(uid: str, shard: int) -> str:
    return f"{PATH_ORDERS}/{uid}/{shard}/urls"


def alive_path(uid: str, shard: int) -> str:
    return f"{PATH_ORDERS}/{uid}/{shard}/alive"
