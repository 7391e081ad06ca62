"""Where service and token are found, in which order, and what is told where they are not."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantumjob import NotConfigured
from quantumjob.rest import kubeconfig
from quantumjob.rest.connection import Connection, find
from quantumjob.rest.service_account import SERVICE

JSON = dict[str, Any]
HERE = "https://jobs.example.org"


class Place:
    """A machine with nothing on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.account = folder / "account"
        self.environment = {"KUBECONFIG": str(folder / "config")}

    def find(self, **given: Any) -> Connection:
        return find(environment=self.environment, account=self.account, **given)

    def pod(self) -> None:
        self.account.mkdir()
        (self.account / "token").write_text("of-the-pod\n")
        (self.account / "namespace").write_text("lab")

    def config(self, user: JSON, file: str = "config", **context: str) -> None:
        found = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"user": "me", **context}}],
            "users": [{"name": "me", "user": user}],
        }
        (self.folder / file).write_text(yaml.safe_dump(found))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_arguments_come_first(place: Place) -> None:
    place.pod()
    place.environment |= {"QUANTUMJOB_URL": "https://other", "QUANTUMJOB_TOKEN": "b", "QUANTUMJOB_NAMESPACE": "c"}
    found = place.find(url=HERE + "/", token="a", namespace="team")
    assert (found.url, found.token(), found.namespace) == (HERE, "a", "team")
    assert place.find(token=lambda: "made").token() == "made"


def test_then_the_environment(place: Place) -> None:
    place.pod()
    place.environment |= {"QUANTUMJOB_URL": HERE, "QUANTUMJOB_TOKEN": "b", "QUANTUMJOB_NAMESPACE": "c"}
    found = place.find()
    assert (found.url, found.token(), found.namespace) == (HERE, "b", "c")


def test_a_token_file_is_read_each_time(place: Place) -> None:
    file = place.folder / "token"
    file.write_text("one\n")
    place.environment |= {"QUANTUMJOB_URL": HERE, "QUANTUMJOB_TOKEN_FILE": str(file)}
    found = place.find()
    assert found.token() == "one"
    file.write_text("two")
    assert found.token() == "two"
    file.unlink()
    with pytest.raises(NotConfigured, match="cannot be read"):
        found.token()


def test_then_the_pod_s_own_account(place: Place) -> None:
    place.pod()
    place.config({"token": "of-kubeconfig"}, namespace="else")
    found = place.find()
    assert (found.url, found.token(), found.namespace, found.authority) == (SERVICE, "of-the-pod", "lab", None)
    (place.account / "token").write_text("renewed")
    assert found.token() == "renewed"
    (place.account / "service-ca.crt").write_text("as on OpenShift")
    assert place.find().authority == "as on OpenShift"


def test_then_kubeconfig(place: Place) -> None:
    place.config({"token": "of-kubeconfig"}, namespace="lab")
    found = place.find(url=HERE)
    assert (found.token(), found.namespace) == ("of-kubeconfig", "lab")
    (place.folder / "token").write_text("of-a-file")
    place.config({"tokenFile": "token"})
    found = place.find(url=HERE)
    assert (found.token(), found.namespace) == ("of-a-file", "default")


def test_kubeconfig_may_be_several_files(place: Place) -> None:
    first, second = place.folder / "first", place.folder / "second"
    first.write_text(yaml.safe_dump({"current-context": "here", "contexts": None, "users": []}))
    place.config({"token": "of-the-second"}, "second")
    place.environment["KUBECONFIG"] = os.pathsep.join(map(str, (first, place.folder / "none", second)))
    assert place.find(url=HERE).token() == "of-the-second"


def plugin(place: Place, text: str) -> JSON:
    program = place.folder / "plug-in"
    program.write_text(f"#!/bin/sh\necho run >> {place.folder}/runs\n{text}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plug-in", "args": ["login"]}}


def runs(place: Place) -> int:
    return len((place.folder / "runs").read_text().splitlines())


def credential(**status: str) -> str:
    return f"echo '{json.dumps({'kind': 'ExecCredential', 'status': status})}'"


def test_a_plugin_s_token_is_kept_until_it_expires(place: Place) -> None:
    place.config(
        plugin(place, 'test "$1" = login && ' + credential(token="t", expirationTimestamp="2999-01-01T00:00:00Z"))
    )
    token = place.find(url=HERE).token
    assert (token(), token(), runs(place)) == ("t", "t", 1)
    place.config(plugin(place, credential(token="t", expirationTimestamp="2001-01-01T00:00:00Z")))
    token = place.find(url=HERE).token
    assert (token(), token(), runs(place)) == ("t", "t", 3)


@pytest.mark.parametrize("text", ["exit 1", "echo no JSON", credential(), "echo '{}'", "echo '{\"status\": null}'"])
def test_a_plugin_that_gives_no_token(place: Place, text: str) -> None:
    place.config(plugin(place, text))
    with pytest.raises(NotConfigured, match=r"plug-in \./plug-in of kubeconfig"):
        place.find(url=HERE).token()


def test_nothing_found_says_where_was_looked(place: Place) -> None:
    with pytest.raises(NotConfigured) as caught:
        place.find()
    assert all(word in str(caught.value) for word in ("--url", "QUANTUMJOB_URL", "the pod's own", "port-forward"))
    with pytest.raises(NotConfigured) as caught:
        place.find(url=HERE)
    words = ("QUANTUMJOB_TOKEN", "QUANTUMJOB_TOKEN_FILE", "service account", "no file", "kubectl create token")
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"client-certificate-data": "x"}, "context here, whose user has a client certificate and no token"),
        ({}, "context here, whose user has no token"),
    ],
)
def test_a_context_without_a_token(place: Place, user: JSON, told: str) -> None:
    place.config(user)
    with pytest.raises(NotConfigured) as caught:
        place.find(url=HERE)
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "- a", "", "current-context: gone"])
def test_a_kubeconfig_that_says_nothing(place: Place, text: str) -> None:
    (place.folder / "config").write_text(text)
    with pytest.raises(NotConfigured):
        place.find(url=HERE)
    assert kubeconfig.Context("default", {}, "").token() is None


def test_a_kubeconfig_that_is_not_needed_is_not_read(place: Place) -> None:
    (place.folder / "config").write_text("a: [")
    assert place.find(url=HERE, token="a", namespace="team").namespace == "team"


def test_a_token_goes_by_https_alone(place: Place) -> None:
    for url in ("http://jobs.example.org", "jobs.example.org", "ftp://localhost"):
        with pytest.raises(NotConfigured, match="must begin with https://"):
            place.find(url=url, token="a")
    assert place.find(url="http://localhost:8080", token="a").url == "http://localhost:8080"


def test_an_authority_is_a_file_or_its_text(place: Place) -> None:
    text = "-----BEGIN CERTIFICATE-----\n"
    (place.folder / "ca.crt").write_text(text)
    assert place.find(url=HERE, token="a", ca=text).authority == text
    place.environment["QUANTUMJOB_CA"] = str(place.folder / "ca.crt")
    assert place.find(url=HERE, token="a").authority == text.strip()
    with pytest.raises(NotConfigured, match=r"QUANTUMJOB_CA: .* cannot be read"):
        place.find(url=HERE, token="a", ca=str(place.folder / "none"))


def test_white_space_around_a_token_is_no_part_of_it(place: Place) -> None:
    place.environment["QUANTUMJOB_URL"] = HERE
    assert place.find(token=" a\n").token() == "a"
    assert place.find(token=lambda: "made\n").token() == "made"
    place.config({"token": "of-kubeconfig\n"})
    assert place.find().token() == "of-kubeconfig"
    place.config({"tokenFile": "token"})
    (place.folder / "token").write_text("of-a-file\n")
    assert place.find().token() == "of-a-file"
    place.environment["QUANTUMJOB_TOKEN"] = "b\r\n"
    assert place.find().token() == "b"


ODD = ["SECRET\nSECRET", "Bearer SECRET", "SECRET\x00", "SECRÉT", "SECRET=SECRET", "<SECRET>"]


@pytest.mark.parametrize("odd", ODD)
def test_a_token_that_can_be_none_is_told_of_without_it(place: Place, odd: str) -> None:
    place.environment["QUANTUMJOB_URL"] = HERE
    place.config({"token": odd})
    (place.folder / "file").write_text(odd)
    given: list[tuple[str, JSON, dict[str, str]]] = [
        ("the argument", {"token": odd}, {}),
        ("QUANTUMJOB_TOKEN", {}, {"QUANTUMJOB_TOKEN": odd}),
        ("kubeconfig", {}, {}),
    ]
    for what, arguments, environment in given:
        with pytest.raises(NotConfigured) as caught:
            find(environment=place.environment | environment, account=place.account, **arguments)
        assert str(caught.value) == f"The token from {what} has characters that are not allowed in a token."
    # What gives another each time is asked when a request is made.
    place.environment["QUANTUMJOB_TOKEN_FILE"] = str(place.folder / "file")
    for read in (place.find().token, place.find(token=lambda: odd).token):
        with pytest.raises(NotConfigured, match="has characters that are not allowed in a token") as caught:
            read()
        assert "SECR" not in str(caught.value)


def test_an_empty_token_is_called_so(place: Place) -> None:
    place.environment |= {"QUANTUMJOB_URL": HERE, "QUANTUMJOB_TOKEN": "\n"}
    with pytest.raises(NotConfigured, match="The token from QUANTUMJOB_TOKEN is empty"):
        place.find()


def test_a_token_file_that_is_not_text(place: Place) -> None:
    file = place.folder / "token"
    file.write_bytes(b"\xff")
    place.environment |= {"QUANTUMJOB_URL": HERE, "QUANTUMJOB_TOKEN_FILE": str(file)}
    with pytest.raises(NotConfigured, match="is not text in UTF-8"):
        place.find().token()


@pytest.mark.parametrize("token", ["eyJhbGciOi.eyJpc3MiOi.c2ln_-", "sha256~abc", "abcdef.0123456789abcdef", "YWJj+/=="])
def test_what_clusters_give_as_tokens(place: Place, token: str) -> None:
    assert place.find(url=HERE, token=token).token() == token
