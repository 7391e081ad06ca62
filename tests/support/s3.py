"""Real S3 servers, started by the tests on loopback: SeaweedFS (from PyPI) and MinIO (built by hack/minio)."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from quantumjob_contract.store import ROLES, Bucket, BucketConfig, Store
from quantumjob_contract.store_errors import StoreError

READY_SECONDS = 60
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """Returns a port that is free now, and whose +10000 is too: SeaweedFS takes that one for gRPC.

    Each process of pytest-xdist has ports of its own, so that two servers that start at once do not take the same.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            if port > 55000 or port // 2 % 16 != process % 16:  # the kernel gives ports of one parity
                continue
            try:
                two.bind(("127.0.0.1", port + 10000))
            except OSError:
                continue
            return port


@dataclass
class Server:
    """One S3 server in its own directory; it can be killed and started again on its data."""

    kind: str
    directory: Path
    access_key: str = field(default_factory=lambda: secrets.token_hex(10))
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(4)])
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, env=self._environment())
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError((self.directory / "log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def store(self) -> Store:
        """A client of three fresh buckets' worth of this server."""
        return Store(*(Bucket(self.config(f"quantumjob-{role}")) for role in ROLES))

    def config(self, bucket: str) -> BucketConfig:
        return BucketConfig(self.endpoint, bucket, self.access_key, self.secret_key)

    def _ready(self) -> bool:
        """Reachable, and able to store: SeaweedFS answers before it has a volume to write to."""
        probe = Bucket(self.config("quantumjob-probe"))
        try:
            urllib3.request("GET", self.endpoint, timeout=1.0, retries=False)
            probe.ensure()
            probe.put_once("probe", b"x")
        except (urllib3.exceptions.HTTPError, StoreError):
            return False
        return True

    def _environment(self) -> dict[str, str]:
        return os.environ | {"MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key}

    def _command(self) -> list[str]:
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        if self.kind == "minio":
            return [minio(), "server", "--address", f"127.0.0.1:{self.ports[0]}", str(data)]
        identities = self.directory / "identities.json"
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        identity = {"name": "test", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        identities.write_text(json.dumps({"identities": [identity]}))
        s3, master, volume, filer = self.ports
        ports = [f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"]
        # Ports of their own that the tests do not need: two runs on a machine would meet there.
        ports += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
        options = ["-ip=127.0.0.1", "-volume.max=40", "-master.volumeSizeLimitMB=64", "-s3", "-s3.iam=false"]
        return [weed(), "server", f"-dir={data}", f"-s3.config={identities}", *options, *ports]


def weed() -> str:
    """SeaweedFS's binary, beside the interpreter that runs the tests."""
    beside = Path(sys.prefix) / "bin" / "weed"
    return str(beside) if beside.exists() else shutil.which("weed") or "weed"


def minio() -> str:
    """MinIO's binary, built on first use."""
    done = subprocess.run([ROOT / "hack" / "minio"], check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]
