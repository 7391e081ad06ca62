"""The blocking S3 client. Minio signs, lists and deletes; objects are read and written by `transfer`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from quantumjob_contract import transfer
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge, StoreMisconfigured, StoreUnavailable

Role = Literal["circuits", "pending", "completed"]
ROLES: Final[tuple[Role, ...]] = ("circuits", "pending", "completed")
OWN_USE_SECONDS: Final = 300
"""Validity of the URLs that this client signs for itself."""


class Entry(NamedTuple):
    """One object of a listing."""

    key: str
    modified: datetime
    bytes: int = 0


@dataclass(frozen=True)
class BucketConfig:
    """Endpoint, name and credentials of a bucket."""

    endpoint: str
    """URL of scheme and host, for example https://s3.example.org:8333."""
    bucket: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    ca_pem: str = ""

    def __repr__(self) -> str:
        """Leaves the credentials out, so that no log shows them."""
        return f"BucketConfig({self.endpoint}/{self.bucket})"


class Bucket:
    """One bucket. Methods block; they raise StoreError."""

    def __init__(self, config: BucketConfig) -> None:
        self.config = config
        parts = urlsplit(config.endpoint)
        self._http = transfer.pool(config.ca_pem, size=16)
        self._client = Minio(
            endpoint=parts.netloc,
            access_key=config.access_key,
            secret_key=config.secret_key,
            secure=parts.scheme == "https",
            region=config.region,
            http_client=self._http,
        )

    def presign(self, method: Literal["GET", "PUT"], key: str, seconds: float) -> str:
        """Returns a URL that allows its holder to GET or PUT this one object. Sends no request."""
        life = timedelta(seconds=max(1, int(seconds)))
        return self._client.get_presigned_url(method, self.config.bucket, key, expires=life)

    def get(self, key: str, limit: int) -> bytes:
        return transfer.get(self._http, self.presign("GET", key, OWN_USE_SECONDS), limit)

    def exists(self, key: str) -> bool:
        """Whether the key exists. Reads no bytes."""
        try:
            self.get(key, 0)
        except ObjectNotFound:
            return False
        except ObjectTooLarge:
            pass
        return True

    def put_once(self, key: str, data: bytes) -> transfer.Put:
        return transfer.put_once(self._http, self.presign("PUT", key, OWN_USE_SECONDS), data)

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """Yields the objects whose keys begin with `prefix` and sort after `after`, in byte order, page by page."""
        try:
            for found in self._client.list_objects(
                self.config.bucket, prefix=prefix, recursive=True, start_after=after or None
            ):
                if found.object_name is not None and found.last_modified is not None:
                    yield Entry(found.object_name, found.last_modified, found.size or 0)
        except (MinioException, HTTPError) as error:
            raise StoreUnavailable(type(error).__name__) from None

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects. A missing key is no error."""
        try:
            failed = list(self._client.remove_objects(self.config.bucket, (DeleteObject(key) for key in keys)))
        except (MinioException, HTTPError) as error:
            raise StoreUnavailable(type(error).__name__) from None
        if failed:
            raise StoreUnavailable(f"{len(failed)} objects could not be deleted ({failed[0].code})")

    def ensure(self) -> None:
        """Creates the bucket unless it exists."""
        try:
            if not self._client.bucket_exists(self.config.bucket):
                self._client.make_bucket(self.config.bucket)
        except (MinioException, HTTPError) as error:
            raise StoreUnavailable(type(error).__name__) from None

    def uri(self, key: str) -> str:
        return f"s3://{self.config.bucket}/{key}"


@dataclass(frozen=True)
class Store:
    """The three buckets."""

    circuits: Bucket
    pending: Bucket
    completed: Bucket


class StoreDirectory:
    """Opens the store that the files of a mounted directory describe. New credentials need no restart.

    `default/` holds endpoint, region, access-key, secret-key and ca.crt; `circuits/`, `pending/` and `completed/`
    hold `bucket`, and any of the other files whose value differs for that bucket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._configs: dict[Role, BucketConfig] = {}
        self._store: Store | None = None
        self._version = ""

    def open(self) -> Store:
        """Returns the store by the present files. Raises StoreMisconfigured."""
        version = self._mounted_version()
        if self._store is not None and version and version == self._version:
            return self._store
        configs = {role: read_config(self._path, role) for role in ROLES}
        if self._store is None or configs != self._configs:
            self._configs = configs
            self._store = Store(*(Bucket(configs[role]) for role in ROLES))
        self._version = version
        return self._store

    def _mounted_version(self) -> str:
        """Target of the link that kubelet replaces with each change of the volume; empty for any other directory."""
        try:
            return str((self._path / "..data").readlink())
        except OSError:
            return ""


def read_config(path: Path, role: Role) -> BucketConfig:
    """Reads the configuration of one bucket. Raises StoreMisconfigured."""

    def read(name: str, fallback: str | None = None) -> str:
        for directory in (path / role, path / "default"):
            try:
                return (directory / name).read_text().strip()
            except (FileNotFoundError, NotADirectoryError):
                continue
        if fallback is None:
            raise StoreMisconfigured(
                f"The store's {name} is missing: write it to {path}/default/{name} or {path}/{role}/{name}."
            )
        return fallback

    endpoint = read("endpoint")
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
        raise StoreMisconfigured(
            f"The endpoint of the {role} bucket is not a URL of scheme and host: write https://HOST[:PORT]."
        )
    return BucketConfig(
        endpoint=endpoint,
        bucket=read("bucket", f"quantumjob-{role}"),
        access_key=read("access-key"),
        secret_key=read("secret-key"),
        region=read("region", "us-east-1"),
        ca_pem=read("ca.crt", ""),
    )
