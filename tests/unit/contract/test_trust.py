"""Whom a pool of connections trusts, at a real server."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from quantumjob_contract import transfer
from quantumjob_contract.store_errors import StoreUnavailable


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hello)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def authority(certificate: Path) -> str:
    return (certificate / "tls.crt").read_text()


@pytest.fixture
def another(other_certificate: Path) -> str:
    return (other_certificate / "tls.crt").read_text()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "RETRIES", transfer.RETRIES.new(total=1, backoff_factor=0))


@pytest.fixture
def system(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's authority is one of the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "tls.crt"))


@pytest.mark.parametrize("alone", [False, True])
def test_an_authority_that_is_given_is_trusted(url: str, authority: str, alone: bool) -> None:
    assert transfer.get(transfer.pool(authority, alone=alone), url, 10) == b"hello"


def test_no_other_is_trusted(url: str, another: str) -> None:
    for http in (transfer.pool(), transfer.pool(another), transfer.pool(another, alone=True)):
        with pytest.raises(StoreUnavailable):
            transfer.get(http, url, 10)


@pytest.mark.usefixtures("system")
def test_the_system_s_are_trusted_beside_the_one_that_is_given(url: str, another: str) -> None:
    assert transfer.get(transfer.pool(another), url, 10) == b"hello"
    with pytest.raises(StoreUnavailable):
        transfer.get(transfer.pool(another, alone=True), url, 10)


@pytest.mark.usefixtures("system")
def test_the_system_s_are_not_loaded_where_the_one_that_is_given_does(url: str, authority: str) -> None:
    http = transfer.pool(authority)
    assert transfer.get(http, url, 10) == b"hello"
    assert http.connection_pool_kw["ssl_context"].cert_store_stats()["x509"] == 1
