"""Where the service is and whose token goes with it: found as people expect, and told where nothing is found.

Each of these comes from the first place that has it: an argument, the environment, the pod's service account, the
current context of kubeconfig.
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
"""Of a bearer token, by RFC 6750."""
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Connection(NamedTuple):
    """One namespace of one service, and how to prove who asks."""

    url: str
    namespace: str
    token: Callable[[], str]
    """Read anew each time: tokens of pods change every hour."""
    authority: str | None = None
    """Certificates beside those that the system trusts."""


def find(
    *,
    url: str | None = None,
    token: TokenSource | None = None,
    namespace: str | None = None,
    ca: str | None = None,
    environment: Mapping[str, str] = os.environ,
    account: Path = service_account.ACCOUNT,
) -> Connection:
    """Raises NotConfigured."""
    pod = service_account.ServiceAccount(account) if (account / "token").exists() else None
    context = functools.cache(lambda: kubeconfig.current(environment))
    where = url or environment.get(URL) or (service_account.SERVICE if pod else None)
    if not where:
        raise NotConfigured(
            f"No service found. Looked at: the argument url (--url), {URL}, and whether this is a pod ({account}). "
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
    return Connection(_checked(where), space, _sound(*_token(token, environment, pod, context)), given)


def _token(
    token: TokenSource | None,
    environment: Mapping[str, str],
    pod: service_account.ServiceAccount | None,
    context: Callable[[], kubeconfig.Context],
) -> tuple[TokenSource, str]:
    """And what to call it."""
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
        f"No token found. Looked at: the argument token, {TOKEN}, {TOKEN_FILE}, the pod's service account "
        f"({service_account.ACCOUNT}), and kubeconfig ({context().told}). Set {TOKEN}, for example to the output of "
        "`kubectl create token ACCOUNT`."
    )


def _sound(source: TokenSource, what: str) -> Callable[[], str]:
    """Gives the token, stripped. Text is checked now, what a function gives each time. Raises NotConfigured."""
    if callable(source):
        return lambda: _stripped(source(), what)
    found = _stripped(source, what)
    return lambda: found


def _stripped(token: str, what: str) -> str:
    """Raises NotConfigured, whose text ends in logs: it is without the token."""
    found = token.strip()
    if not found:
        raise NotConfigured(f"The token from {what} is empty.")
    if not CHARACTERS.fullmatch(found):
        raise NotConfigured(f"The token from {what} has characters that no token has.")
    return found


def read(path: Path, what: str) -> str:
    """Raises NotConfigured."""
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
    """A token goes with every request, so plain HTTP is for this machine only. Raises NotConfigured."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL):
        return url.rstrip("/")
    raise NotConfigured(f"The service's URL must begin with https://, and is {url}.")
