"""The messages between worker and operator, all by HTTPS POST of JSON with the worker's token as bearer.

    POST /v1/orders                       OrderRequest -> 200 Order, 204 nothing yet, 410 there will be none: end
    POST /v1/orders/<uid>/<shard>/urls    UrlsRequest -> 200 list of SegmentUrl
    POST /v1/orders/<uid>/<shard>/alive   HeartbeatRequest -> 200 HeartbeatResponse

The question for an order is a long poll, and carries how the order before it ended. 401: the token proves nothing.
403: its pod is no worker, or not of this job. 503, and 204: nothing now, ask again.

What a worker says is a hint; promotion believes the store alone.
"""

from __future__ import annotations

from typing import Final

import msgspec

PATH_ORDERS: Final = "/v1/orders"
ALIVE_SECONDS: Final = 2.0
"""Between two signs of life of a worker that carries out an order."""
POLL_SECONDS: Final = 25.0
"""How long the operator holds a question for an order where there is none."""


class SegmentUrl(msgspec.Struct, frozen=True, omit_defaults=True):
    """A presigned URL of one segment: for PUT in `next`, for GET in `found`."""

    name: str
    url: str
    arrays: str = ""
    """Presigned PUT of the arrays beside it, in `next` where the program saves any."""


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
    only: bool = False
    """The worker's Job is this QuantumJob's own: it gets no other order, and ends as this one ends."""
    store_ca: str = ""
    """PEM of the store's authority; empty for the system's."""


class UrlsRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Asks for the URLs of segments from this number on."""

    start: int
    arrays: bool = False
    """Those of the arrays beside them, too."""


class EndedOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an order ended at its worker."""

    uid: str
    shard: int
    code: int = 0
    """One of `exits.Exit`: DONE when the last segment is stored, else what the worker would have exited with."""
    message: str = ""
    """Why, where it is not DONE; no text from a server or a circuit."""
    computed: int = 0
    """Pubs that ran here; those that an earlier attempt had stored are not counted."""


class OrderRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Asks for an order, and says how the one before it ended."""

    ended: EndedOrder | None = None
    leaving: bool = False
    """The worker takes no other: it has had its number of orders, or its memory grew. The answer is 410."""


class HeartbeatRequest(msgspec.Struct, frozen=True):
    """An order is being carried out. Sent every ALIVE_SECONDS, so never for a short one."""

    done: int
    total: int
    """Pubs with a result or an error, of all of the shard."""


class HeartbeatResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the operator wants of a worker that is alive."""

    stop: bool = False
    """Stop this order, store what is done, and say that it ended: it was cancelled, or nobody needs it any more."""


def urls_path(uid: str, shard: int) -> str:
    return f"{PATH_ORDERS}/{uid}/{shard}/urls"


def alive_path(uid: str, shard: int) -> str:
    return f"{PATH_ORDERS}/{uid}/{shard}/alive"
