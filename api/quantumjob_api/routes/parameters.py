"""Path, query and header parameters that several routes have."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Header, Path, Query

from quantumjob_api.model.schemas import LABEL, NAME_LENGTH, SUBDOMAIN, UID

MAX_TOKEN: Final = 4096

Namespace = Annotated[
    str, Path(pattern=LABEL, max_length=63, description="Namespace of the QuantumJobs.", examples=["default"])
]
Name = Annotated[
    str, Path(pattern=SUBDOMAIN, max_length=NAME_LENGTH, description="Name of the QuantumJob.", examples=["bell"])
]
Uid = Annotated[
    str, Path(pattern=UID, description="UID of the QuantumJob.", examples=["80dd8c36-01f0-4807-9a62-1fbde67eafab"])
]
Limit = Annotated[int, Query(ge=1, le=200, description="Number of items.")]
Continue = Annotated[
    str | None,
    Query(
        alias="continue",
        min_length=1,
        max_length=MAX_TOKEN,
        pattern=r"^[A-Za-z0-9_.=-]+$",
        description="`next` of the previous page.",
    ),
]
IfNoneMatch = Annotated[str | None, Header(max_length=1024, description="ETag that the client has.")]
ShardNumber = Annotated[int, Path(ge=0, le=9999, description="Shard of the job.")]
SegmentName = Annotated[
    str, Path(pattern=r"^(last|[0-9]{6}(\.npz)?)$", description="Name of a segment, or of its arrays.")
]
Range = Annotated[
    str | None,
    Header(alias="Range", description="One range of bytes, as `bytes=0-1023`. Others are ignored.", max_length=64),
]
Redirect = Annotated[
    bool,
    Query(
        description="Redirect (307) to a presigned URL of the store, valid for five minutes. Its host is the store's "
        "name inside the cluster."
    ),
]
