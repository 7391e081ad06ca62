"""The store's configuration as files: fallbacks, rotation, and what is said when one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantumjob_contract.store import StoreDirectory, read_config
from quantumjob_contract.store_errors import StoreMisconfigured


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def mounted(root: Path, version: str, **files: str) -> None:
    """As kubelet mounts: files lead through a link that changes with each version."""
    write(root / version, **files)
    link = root / "..data"
    link.unlink(missing_ok=True)
    link.symlink_to(version)
    if not (root / "default").is_symlink():
        (root / "default").symlink_to("..data/default")


GOOD = {"default__endpoint": "https://s3:1", "default__access_key": "a\n", "default__secret_key": "b\n"}


def test_a_bucket_may_differ_from_the_default(tmp_path: Path) -> None:
    write(tmp_path, **GOOD, pending__bucket="mine", pending__endpoint="http://other:2", pending__access_key="c")
    assert read_config(tmp_path, "circuits").endpoint == "https://s3:1"
    assert read_config(tmp_path, "circuits").bucket == "quantumjob-circuits"
    pending = read_config(tmp_path, "pending")
    assert (pending.endpoint, pending.bucket, pending.access_key, pending.secret_key) == (
        "http://other:2",
        "mine",
        "c",
        "b",
    )
    assert "secret" not in repr(pending)
    assert pending.secret_key not in repr(pending).replace("bucket", "")


@pytest.mark.parametrize("missing", list(GOOD))
def test_what_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    write(tmp_path, **{name: text for name, text in GOOD.items() if name != missing})
    with pytest.raises(StoreMisconfigured, match=missing.rpartition("__")[2].replace("_", "-")):
        StoreDirectory(tmp_path).open()


@pytest.mark.parametrize("endpoint", ["s3:1", "ftp://s3", "https://", "https://s3/path", ""])
def test_an_endpoint_is_a_url(tmp_path: Path, endpoint: str) -> None:
    write(tmp_path, **GOOD | {"default__endpoint": endpoint})
    with pytest.raises(StoreMisconfigured, match="https://HOST"):
        StoreDirectory(tmp_path).open()


@pytest.mark.parametrize("put", [mounted, lambda root, _, **files: write(root, **files)])
def test_new_credentials_need_no_restart(tmp_path: Path, put: object) -> None:
    assert callable(put)
    put(tmp_path, "one", **GOOD)
    directory = StoreDirectory(tmp_path)
    first = directory.open()
    assert directory.open() is first
    put(tmp_path, "two", **GOOD | {"default__access_key": "new"})
    assert directory.open().pending.config.access_key == "new"
