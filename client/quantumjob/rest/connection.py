"""Finds the service, the token, the namespace and the certificate authority.

Each comes from the first place that has it: an argument, the environment, the pod's service account, the current
context of kubeconfig.
"""

from __future__ import annotations

import functools
import os
import re
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from quantumjob.errors import NotConfigured
from quantumjob.rest import kubeconfig, service_account

TokenSource = str | Callable[[], str]

URL, TOKEN, TOKEN_FILE, NAMESPACE, CA = (
    f"QUANTUMJOB_{name}" for name in ("URL", "TOKEN", "TOKEN_FILE", "NAMESPACE", "CA")
)
CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""Characters of a bearer token (RFC 6750)."""
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Connection(NamedTuple):
    """URL, namespace and credentials of a client."""

    url: str
    namespace: str
    token: Callable[[], str]
    """Called for each request: kubelet renews the tokens of pods."""
    authority: str | None = None
    """PEM of an authority that is trusted in addition to those of the system."""


def find(
    *,
    url: str | None = None,
    token: TokenSource | None = None,
    namespace: str | None = None,
    ca: str | None = None,
    environment: Mapping[str, str] = os.environ,
    account: Path = service_account.ACCOUNT,
) -> Connection:
    """Returns the connection. Raises NotConfigured."""
    pod = service_account.ServiceAccount(account) if (account / "token").exists() else None
    context = functools.cache(lambda: kubeconfig.current(environment))
    where = url or environment.get(URL) or (service_account.SERVICE if pod else None)
    if not where:
        raise NotConfigured(
            f"No service found in the argument url (--url), in {URL}, or as the pod's own ({account}). "
            f"Set {URL}, for example to https://localhost:8443 with "
            "`kubectl -n quantumjob-system port-forward service/quantumjob-api 8443:443`."
        )
    given = _authority(ca or environment.get(CA))
    if (
        given is None
        and pod
        and urllib.parse.urlsplit(where).hostname == urllib.parse.urlsplit(service_account.SERVICE).hostname
    ):
        given = pod.authority()
    space = namespace or environment.get(NAMESPACE) or (pod.namespace if pod else None) or context().namespace
    return Connection(_checked(where), space, _checked_token(*_token(token, environment, pod, context)), given)


def _token(
    token: TokenSource | None,
    environment: Mapping[str, str],
    pod: service_account.ServiceAccount | None,
    context: Callable[[], kubeconfig.Context],
) -> tuple[TokenSource, str]:
    """Returns the token and the name of its source. Raises NotConfigured."""
    if token:
        return token, "the argument"
    if given := environment.get(TOKEN):
        return given, TOKEN
    if path := environment.get(TOKEN_FILE):
        return lambda: read(Path(path), TOKEN_FILE), TOKEN_FILE
    if pod:
        return pod.token, "the pod's service account"
    if found := context().token():
        return found, "kubeconfig"
    raise NotConfigured(
        f"No token found in the argument token, {TOKEN}, {TOKEN_FILE}, the pod's service account "
        f"({service_account.ACCOUNT}), or kubeconfig ({context().found}). Set {TOKEN}, for example to the output of "
        "`kubectl create token ACCOUNT`."
    )


def _checked_token(source: TokenSource, what: str) -> Callable[[], str]:
    """Returns a function that checks and returns the token. Text is checked at once. Raises NotConfigured."""
    if callable(source):
        return lambda: _stripped(source(), what)
    found = _stripped(source, what)
    return lambda: found


def _stripped(token: str, what: str) -> str:
    """Strips and checks a token. Raises NotConfigured, whose text has no token: it may be logged."""
    found = token.strip()
    if not found:
        raise NotConfigured(f"The token from {what} is empty.")
    if not CHARACTERS.fullmatch(found):
        raise NotConfigured(f"The token from {what} has characters that are not allowed in a token.")
    return found


def read(path: Path, what: str) -> str:
    """Reads a file that `what` names. Raises NotConfigured."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise NotConfigured(f"{what}: {path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise NotConfigured(f"{what}: {path} is not text in UTF-8.") from None


def _authority(given: str | None) -> str | None:
    if not given:
        return None
    if given.lstrip().startswith("-----BEGIN"):
        return given
    return read(Path(given), CA)


def _checked(url: str) -> str:
    """Refuses plain HTTP but for this machine: each request carries a token. Raises NotConfigured."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL):
        return url.rstrip("/")
    raise NotConfigured(f"The service's URL must begin with https://, and is {url}.")
