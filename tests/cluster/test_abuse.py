"""Hostile clients of the deployed service: it serves others, within its memory, without a restart.

`pytest tests/cluster/test_abuse.py -s` prints the figures. Connections are made in the pod's own network namespace, by
loopback. QUANTUMJOB_TEST_ABUSE_CONNECTIONS is their number.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import node_faults
import pytest
from namespaces import BELL, ENDLESS, Namespace, pub
from rest import SERVICE, account, client, connected

import cluster
from quantumjob_contract import limits

JSON = dict[str, Any]

pytestmark = [pytest.mark.disruptive, pytest.mark.long]
TOOL = Path(__file__).with_name("abuse.py")
KINDS = {"silent": 10_000, "greeted": 2000, "heads": 2000, "bodies": 2000, "health": 10_000}
"""Connections of each kind. Those with TLS cost this machine both sides of a handshake."""
MIB = 1 << 20
LIMIT = 512 * MIB
PEAK = ("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory.peak")


def service_pod() -> JSON:
    """The only pod of the service."""

    def probe() -> JSON | None:
        pods = cluster.items("pods", cluster.SYSTEM, "app.kubernetes.io/component=api")
        return pods[0] if len(pods) == 1 and pods[0]["status"]["phase"] == "Running" else None

    return cluster.eventually("one pod serves", probe)


@pytest.fixture(scope="module")
def service() -> JSON:
    """A pod without an earlier request."""
    cluster.kubectl("rollout", "restart", f"deployment/{SERVICE}", "-n", cluster.SYSTEM)
    cluster.kubectl("rollout", "status", f"deployment/{SERVICE}", "-n", cluster.SYSTEM, "--timeout=120s")
    return service_pod()


@pytest.fixture
def token(namespace: Namespace) -> str:
    return account(namespace.name, "scientist", "edit")


@pytest.fixture(autouse=True)
def unharmed(service: JSON, namespace: Namespace, token: str) -> Iterator[None]:
    """After the test, the same process serves within 3/4 of its memory limit, and a job runs."""
    yield
    after = service_pod()
    assert after["metadata"]["uid"] == service["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0
    assert after["spec"]["containers"][0]["resources"]["limits"]["memory"] == f"{LIMIT // MIB}Mi"
    name = after["metadata"]["name"]
    read = cluster.kubectl("exec", "-n", cluster.SYSTEM, name, "--", "sh", "-c", f"cat {' '.join(PEAK)} 2>/dev/null; :")
    print(f"peak of the pod's memory: {int(read) // MIB} MiB")  # noqa: T201
    assert int(read) < LIMIT * 3 // 4
    with connected() as url, client(url, namespace.name, token) as rest:
        made = rest.post("jobs", json={"name": "after", "circuit": BELL})
        assert made.status_code == 202, made.text
        assert rest.get("jobs/after", params={"wait": 60}).json()["phase"] == "Succeeded"


class Inside:
    """Processes of this machine in the pod's network namespace, outside its cgroup."""

    def __init__(self, pod: JSON, token: str) -> None:
        tool = ["nice", "-n", "19", sys.executable, str(TOOL)]  # they share the machine with the service
        self._enter = ["nsenter", "-t", str(node_faults.main_pid(pod)), "-n", *tool]
        self._environment = os.environ | {"TOKEN": token}

    @contextlib.contextmanager
    def run(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [*self._enter, *arguments], stdin=pipe, stdout=pipe, text=True, env=self._environment
        ) as process:
            assert process.stdin
            try:
                yield process
            finally:
                process.stdin.close()

    @contextlib.contextmanager
    def asking(self, path: str) -> Iterator[list[JSON]]:
        """All responses to a client that repeats a request, complete when the block has ended."""
        answers: list[JSON] = []
        with self.run("ask", path) as process:
            assert process.stdout
            out = process.stdout
            reading = threading.Thread(target=lambda: answers.extend(json.loads(line) for line in out))
            reading.start()
            yield answers
            assert process.stdin
            process.stdin.close()
            reading.join()
        seconds = sorted(each["seconds"] for each in answers)
        print(f"{path}: {len(seconds)} asked, median {seconds[len(seconds) // 2]} s, at most {seconds[-1]} s")  # noqa: T201

    @contextlib.contextmanager
    def holding(self, kind: str, count: str) -> Iterator[int]:
        """Opens this many connections, and keeps them while the block runs, unless the service closes them."""
        with self.run("hold", kind, count) as process:
            assert process.stdout
            yield int(process.stdout.readline())


@node_faults.local_only
@pytest.mark.parametrize("kind", KINDS)
def test_connections_held_open(service: JSON, namespace: Namespace, token: str, kind: str) -> None:
    """A long poll gets its response, and so do new clients."""
    inside = Inside(service, token)
    count = os.environ.get("QUANTUMJOB_TEST_ABUSE_CONNECTIONS", str(KINDS[kind]))
    namespace.apply("long", pub("a", ENDLESS))
    path = f"/v1/namespaces/{namespace.name}/jobs"
    ended: list[JSON] = [{}]

    def wait() -> None:
        while not ended[0].get("finished"):
            answer = rest.get("jobs/long", params={"wait": 60})
            ended[0] = answer.json() if answer.status_code == 200 else {"finished": True, "phase": repr(answer)}

    with connected() as url, client(url, namespace.name, token) as rest:
        waiting = threading.Thread(target=wait)
        waiting.start()
        with inside.asking(path) as answers, inside.asking("/readyz") as probes, inside.holding(kind, count) as held:
            print(f"{kind}: {held} connections")  # noqa: T201
            namespace.cancel("long")
            waiting.join()
    assert ended[0]["phase"] == "Cancelled"
    assert Counter(each["status"] for each in answers) == {200: len(answers)}
    assert Counter(each["status"] for each in probes) == {200: len(probes)}


def raw(url: str, text: str) -> tuple[int, str]:
    """Sends this request; gives the status and the whole response."""
    port = int(url.rpartition(":")[2])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(text.encode())
        said = b""
        while piece := connection.recv(1 << 16):
            said += piece
    return int(said.split(b" ", 2)[1]), said.decode()


HOSTS = {
    "another": "Host: evil.example",
    "two": "Host: localhost\r\nHost: evil.example",
    "none": "X-A: b",
    "with a path": "Host: localhost/evil.example?#",
    "with a user": "Host: localhost@evil.example:1",
    "no name at all": "Host: [::evil.example",
    "long": f"Host: {'evil.example.' * 2000}",
    "by a proxy": "Host: localhost\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example;proto=http",
    "rewritten": "Host: localhost\r\nX-Original-URL: /evil.example\r\nX-Rewrite-URL: /evil.example",
}


def test_host_headers_are_not_used(namespace: Namespace, token: str) -> None:
    jobs, body = f"/v1/namespaces/{namespace.name}/jobs", json.dumps({"circuit": BELL})
    said: dict[tuple[str, str], tuple[int, bool]] = {}
    with connected() as url:
        for (name, host), target in itertools.product(
            HOSTS.items(), (jobs, f"{jobs}/", "/evil.example/", "https://evil.example/")
        ):
            status, text = raw(
                url,
                f"POST {target} HTTP/1.1\r\n{host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}",
            )
            said[name, target] = (status, "evil" in text)
    allowed = {key: {202, 400} if key[1] == jobs else {400, 404} for key in said}
    assert {key: answer for key, answer in said.items() if answer[0] not in allowed[key] or answer[1]} == {}


RANGES = ["bytes=0-0," * 6, "bytes=-1", "bytes=5-1", "bytes=99999-", "bytes=--1", "bytes=0-" + "9" * 50, "lines=1-2"]
RANGES += ["bytes=" + ",".join(f"{n}-" for n in range(5000)), "bytes=0x1-0x2", "bytes="]


def test_ranges_and_forms(namespace: Namespace, token: str) -> None:
    """No response is larger than its object, none is 500, and forms are not parsed."""
    form = "application/x-www-form-urlencoded"
    parts = "".join(f'--x\r\nContent-Disposition: form-data; name="a{n}"\r\n\r\nb\r\n' for n in range(20_000))
    with connected() as url, client(url, namespace.name, token) as rest:
        assert rest.put("circuits/a", content=BELL).status_code == 201
        for given in RANGES:
            answer = rest.get("circuits/a", headers={"Range": given})
            assert answer.status_code in {200, 206, 416, 422}, (given, answer.text)
            assert len(answer.content) <= max(len(BELL), 1000)

        def post(path: str, **sent: Any) -> int | None:
            """None if the connection was closed while the rest of a rejected body was sent."""
            try:
                return rest.post(path, **sent).status_code
            except httpx.TransportError:
                return None

        for content, kind in ((parts + "--x--", "multipart/form-data; boundary=x"), ("a=b&" * 100_000, form)):
            for path, expected in (("jobs", 415), ("jobs/none/cancel", 404)):
                assert post(path, content=content, headers={"Content-Type": kind}) in {expected, None}
        for content in ("[" * 1_000_000, '{"a":' * 300_000, "9" * 4_000_000, json.dumps({"circuit": "x" * 4_100_000})):
            assert post("jobs", content=content, headers={"Content-Type": "application/json"}) in {202, 422, None}
        zipped = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        assert post("jobs", content=gzip.compress(bytes(1 << 30 >> 4)), headers=zipped) in {422, None}
        assert post("jobs?" + "a&" * 20_000) in {422, None}
    with connected() as url, client(url, namespace.name, token) as rest:
        assert rest.get("circuits/a").text == BELL, "the service still responds"


def test_bodies_are_bounded_each_and_together(namespace: Namespace, token: str) -> None:
    """Of a submission, a circuit, and all concurrent bodies; without a right a large body is not read."""
    junk = b" " * (4 * MIB)
    typed = {"Content-Type": "application/json"}

    def endless() -> Iterator[bytes]:
        yield from (bytes(MIB) for _ in range(64))

    with connected() as url, client(url, namespace.name, token) as rest, client(url, namespace.name, "x.y.z") as other:

        def refused(method: str, path: str, **sent: Any) -> int | str:
            try:
                return rest.request(method, path, **sent).status_code
            except httpx.TransportError:
                return 413  # closed while the rest of the body was sent

        assert refused("POST", "jobs", content=junk + b" ", headers=typed) == 413
        assert refused("POST", "jobs", content=endless(), headers=typed) == 413
        assert refused("PUT", "circuits/large", content=bytes(limits.MAX_UPLOAD_BYTES + 1)) == 413
        with ThreadPoolExecutor(40) as pool:
            statuses = Counter(
                pool.map(lambda _: rest.post("jobs", content=junk, headers=typed).status_code, range(80))
            )
        print(f"bodies of 4 MiB, 40 at a time: {dict(statuses)}")  # noqa: T201
        assert set(statuses) <= {422, 503}
        assert other.post("jobs", content=junk[:MIB], headers=typed).status_code == 401
