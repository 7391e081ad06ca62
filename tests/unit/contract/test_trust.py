"""Whom a connection trusts: a real handshake, in memory."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from quantumjob_contract import transfer


def handshake(certificate: Path, client: ssl.SSLContext) -> None:
    """Raises SSLError where the client does not trust the server."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname="localhost"),
        server.wrap_bio(there, back, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder of authorities, empty."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("system")
def test_an_authority_that_is_given_is_trusted_and_no_other(certificate: Path) -> None:
    handshake(certificate, transfer.trust((certificate / "tls.crt").read_text()))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificate, transfer.trust())


def test_the_system_s_authorities_are_found_by_their_hashes(certificate: Path, system: Path) -> None:
    file = certificate / "tls.crt"
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", file], capture_output=True, text=True, check=True
    )
    (system / f"{name.stdout.strip()}.0").symlink_to(file)
    context = transfer.trust()
    assert context.cert_store_stats()["x509_ca"] == 0, "none is loaded before it is needed"
    handshake(certificate, context)


def test_a_file_of_authorities_that_the_environment_names_is_read(
    certificate: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (system / "00000000.0").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "tls.crt"))
    handshake(certificate, transfer.trust())
