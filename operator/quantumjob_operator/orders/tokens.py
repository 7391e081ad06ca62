"""Verifies projected service account tokens by the cluster's published keys."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, NamedTuple

import jwt

from quantumjob_contract import names
from quantumjob_operator.kubernetes.client import KubernetesClient

DISCOVERY: Final = "/.well-known/openid-configuration"
KEYS: Final = "/openid/v1/jwks"
ALGORITHMS: Final = ["RS256", "ES256", "ES384"]
REMEMBERED: Final = 10_000
"""Verified tokens that are cached."""
REFRESH_SECONDS: Final = 10.0
"""Between two fetches of the keys, however many unknown key IDs arrive."""


class Denied(Exception):
    """The caller is not a worker. The message is for the log only."""


class Caller(NamedTuple):
    """The pod that a token is bound to, by its claims."""

    namespace: str
    pod: str
    pod_uid: str


class _Verified(NamedTuple):
    """A verified token, until it expires."""

    caller: Caller
    until: float


class TokenVerifier:
    """Holds the cluster's public keys, and fetches them again for an unknown key ID."""

    def __init__(self, kube: KubernetesClient) -> None:
        self._kube = kube
        self._issuer = ""
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()
        self._verified: dict[str, _Verified] = {}

    async def verify(self, token: str) -> Caller:
        """Returns the caller that this token proves. Raises Denied, or ApiError where the keys cannot be fetched."""
        known = self._verified.get(token)
        if known is not None and known.until > time.time():
            return known.caller
        claims = await self._claims(token)
        found = caller(claims)
        self._verified[token] = _Verified(found, claims["exp"])
        if len(self._verified) > REMEMBERED:
            del self._verified[next(iter(self._verified))]
        return found

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            key = await self._key(key_id)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=names.AUDIENCE,
                issuer=self._issuer,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise Denied(str(error)) from None
        return claims

    async def _key(self, key_id: str) -> jwt.PyJWK:
        async with self._fetching:
            if key_id not in self._keys and time.monotonic() - self._fetched > REFRESH_SECONDS:
                issuer = (await self._kube.request("GET", DISCOVERY))["issuer"]
                published = jwt.PyJWKSet.from_dict(await self._kube.request("GET", KEYS))
                self._issuer, self._keys = issuer, {key.key_id or "": key for key in published.keys}
                self._fetched = time.monotonic()
        if key_id not in self._keys:
            raise Denied("the token is signed by a key that the cluster has not published")
        return self._keys[key_id]


def caller(claims: dict[str, Any]) -> Caller:
    """Returns the pod of the claims. Raises Denied for a token that is not bound to a pod."""
    bound = claims.get("kubernetes.io", {})
    pod = bound.get("pod", {})
    if not (bound.get("namespace") and pod.get("name") and pod.get("uid")):
        raise Denied("the token is not bound to a pod")
    return Caller(bound["namespace"], pod["name"], pod["uid"])
