"""Calls against the service's own code: what they give, what they repeat, and what they raise."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import tempfile
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quantumjob import AsyncClient, Client, JobFailed, Unreachable, WaitTimeout, errors
from quantumjob.rest import calls
from support.service import TOKEN, URL, Running

BELL = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;\n'
BODY = {"name": "bell", "circuit": BELL, "shots": 100}
BUSY = {"Retry-After": "0"}


def problem(status: int, reason: str, **headers: str) -> httpx.Response:
    media = {"Content-Type": "application/problem+json"}
    return httpx.Response(status, headers=media | headers, json={"reason": reason, "detail": f"{reason}."})


def test_submit_wait_result_history(client: Client, service: Running) -> None:
    made = client.submit(BODY)
    assert (made.name, made.finished) == ("bell", False)
    assert client.wait("bell").phase == "Succeeded"
    found = client.result("bell")
    assert sum(found.pubs[0]["data"]["c"]["counts"].values()) == 100
    assert [row.name for row in client.list()] == ["bell"]
    service.forget("bell")
    assert [row.uid for row in client.history()] == [made.uid]
    assert client.stored(made.uid) == found


def test_a_wait_is_one_request_that_the_service_holds(client: Client, service: Running) -> None:
    service.cluster.held = True
    client.submit(BODY)
    service.portal.start_task_soon(service.cluster.work, "bell")
    client.wait("bell")
    assert [request.url.query for request in service.wire.sent[1:]] == [b"wait=60"]


def test_a_wait_ends_and_the_job_goes_on(client: Client, service: Running) -> None:
    service.cluster.held = True
    client.submit(BODY)
    with pytest.raises(WaitTimeout):
        client.wait("bell", 0)
    with pytest.raises(TimeoutError):
        client.wait("bell", 0)
    with pytest.raises(errors.NotFinished):
        client.result("bell")
    assert client.partial_result("bell").pubs == []


def test_changes_tell_each_state_until_the_end(client: Client, service: Running) -> None:
    service.cluster.held = True
    client.submit(BODY)
    phases = []
    for state in client.changes("bell"):
        phases.append(state.phase)
        if len(phases) == 1:
            service.portal.start_task_soon(service.cluster.work, "bell")
    assert (phases[0], phases[-1]) == ("Pending", "Succeeded")


def test_a_minute_in_which_nothing_changes_is_no_state(client: Client, service: Running) -> None:
    service.cluster.held = True
    version = client.submit(BODY).version
    assert client.run(calls.change("bell", version, 0)) is None


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_submission_whose_answer_is_lost_is_one_job(client: Client, service: Running, lost: int) -> None:
    service.wire.lose = lost
    made = client.submit({"circuit": BELL})
    assert [item["metadata"]["uid"] for item in service.jobs()] == [made.uid]
    assert len({request.headers["Idempotency-Key"] for request in service.wire.sent}) == 1
    assert len(service.wire.sent) == lost + 1


def test_two_submissions_are_two_jobs_unless_they_have_one_key(client: Client, service: Running) -> None:
    client.submit({"circuit": BELL})
    client.submit({"circuit": BELL})
    assert len({client.submit({"circuit": BELL}, key="once").uid for _ in range(3)}) == 1
    assert len(service.jobs()) == 3
    with pytest.raises(errors.Conflict) as caught:
        client.submit({"circuit": BELL, "shots": 3}, key="once")
    assert caught.value.reason == "IdempotencyConflict"


@pytest.mark.parametrize(
    "instead",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        problem(503, "Busy", **BUSY),
        problem(429, "TooManyRequests", **BUSY),
        httpx.Response(502, text="<html>a proxy</html>"),
    ],
)
def test_a_wait_outlives_a_service_that_is_away(
    client: Client, service: Running, instead: httpx.Response | Exception
) -> None:
    client.submit(BODY)
    service.wire.instead = [instead, httpx.ConnectError("refused")]
    assert client.wait("bell").finished


@pytest.mark.parametrize(
    ("instead", "kind"),
    [
        (problem(401, "Unauthorized"), errors.Unauthorized),
        (problem(403, "Forbidden"), errors.Forbidden),
        (problem(404, "NotFound"), errors.NotFound),
        (problem(409, "JobEnded"), errors.Conflict),
        (problem(422, "InvalidJob"), errors.InvalidJob),
        (problem(500, "Internal"), errors.Problem),
        (problem(502, "NotVerified"), errors.NotVerified),
    ],
)
def test_what_another_try_does_not_mend_is_raised_at_once(
    client: Client, service: Running, instead: httpx.Response, kind: type[errors.Problem]
) -> None:
    service.wire.instead = [instead]
    with pytest.raises(kind) as caught:
        client.cancel("bell")
    assert caught.value.detail.endswith(".")
    assert len(service.wire.sent) == 1


@pytest.mark.parametrize(
    "instead",
    [
        httpx.Response(302, headers={"Location": "https://login"}),
        httpx.Response(200, text="<html>Log in</html>"),
        httpx.Response(200, json={"items": [{"name": 1}], "next": None}),
    ],
)
def test_another_service_is_known_as_such(client: Client, service: Running, instead: httpx.Response) -> None:
    service.wire.instead = [instead]
    with pytest.raises(errors.NotTheService):
        client.list()


@pytest.mark.parametrize(
    "error",
    [
        httpx.LocalProtocolError("Illegal header value b'Bearer SECRET\\n'"),
        httpx.UnsupportedProtocol("Request URL has an unsupported protocol 'SECRET://'."),
    ],
)
def test_a_request_that_cannot_be_sent_is_tried_once_and_not_repeated_in_words(
    client: Client, service: Running, error: httpx.TransportError
) -> None:
    service.wire.instead = [error]
    with pytest.raises(Unreachable, match="cannot be sent") as caught:
        client.list()
    assert len(service.wire.sent) == 1
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_a_certificate_that_is_not_trusted_is_told_at_once() -> None:
    with untrusted() as port, pytest.raises(Unreachable, match="QUANTUMJOB_CA"):
        Client(f"https://localhost:{port}", token="a", namespace="team").list()


@contextlib.contextmanager
def untrusted() -> Iterator[int]:
    """A server that signed its own certificate, and is asked once."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    signed = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(private + signed)
        file.flush()
        context.load_cert_chain(file.name)

    def serve() -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            context.wrap_socket(listener.accept()[0], server_side=True).close()

    with socket.create_server(("localhost", 0)) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        yield listener.getsockname()[1]
        serving.join(10)


def test_a_deletion_is_sent_once(client: Client, service: Running) -> None:
    client.submit(BODY)
    service.wire.instead = [httpx.ConnectError("refused")]
    with pytest.raises(Unreachable, match="http://localhost does not answer"):
        client.delete("bell")
    client.delete("bell")
    assert client.list() == []


def test_a_token_is_read_anew_for_each_request(service: Running) -> None:
    tokens = iter(["nobody", TOKEN])
    client = Client(URL, token=lambda: next(tokens), namespace="team", transport=service.transport)
    with pytest.raises(errors.Unauthorized):
        client.list()
    assert client.list() == []


def test_pages_are_read_to_the_end(client: Client, service: Running) -> None:
    row = {"key": "a", "bytes": 1}
    service.wire.instead = [
        httpx.Response(200, json={"items": [row, row], "next": "more"}),
        httpx.Response(200, json={"items": [row], "next": None}),
    ]
    assert len(client.circuits()) == 3
    assert dict(service.wire.sent[1].url.params) == {"continue": "more", "limit": "200"}


def test_an_upload_is_named_by_its_sha256_and_done_once(client: Client, service: Running) -> None:
    data = b"x" * 1000
    service.wire.lose = 1
    found = client.upload(data)
    assert found.key == f"sha256/{hashlib.sha256(data).hexdigest()}"
    assert list(service.cluster.store.circuits.objects.values()) == [data]
    assert client.upload(data, "a/b.qasm").key == "a/b.qasm"


async def test_the_same_with_an_event_loop(service: Running) -> None:
    async with AsyncClient(URL, token=TOKEN, namespace="team", transport=Running(service.portal).wire) as client:
        made = await client.submit(BODY)
        states = [state.phase async for state in client.changes("bell")]
        assert states[-1] == "Succeeded"
        assert (await client.wait("bell", 5)).uid == made.uid
        found = await client.result("bell")
        assert found == await client.stored(made.uid)
        assert [row.name for row in await client.list()] == ["bell"]
        assert [row.uid for row in await client.history()] == [made.uid]
        assert (await client.partial_result("bell")).pubs == found.pubs
        assert (await client.upload(b"x")).bytes == 1
        assert len(await client.circuits()) == 1
        assert (await client.cancel("bell")).cancel
        await client.delete("bell")
        with pytest.raises(errors.NotFound):
            await client.status("bell")


def test_a_failure_says_which_pub(client: Client) -> None:
    error = JobFailed("SomePubsFailed", "1 of 2 pubs failed.", {1: "Pub 1 (b): SyntaxError: Mend it."})
    assert str(error) == "SomePubsFailed: 1 of 2 pubs failed. Pub 1 (b): SyntaxError: Mend it."
