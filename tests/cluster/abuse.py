"""A hostile client, and an honest one that measures. Run where the service listens on loopback.

    python abuse.py hold KIND COUNT   opens connections, prints how many, and keeps them until standard input ends
    python abuse.py ask PATH          repeats a request with the token $TOKEN until then; prints each status and time

KIND: `silent` sends nothing. `greeted` sends nothing after a TLS handshake. `heads` sends a header line every two
seconds, `bodies` a byte of a body, with an invalid token. `health` sends nothing on the port of kubelet's probes.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import select
import ssl
import sys
import time

API, HEALTH = 8443, 8080
AT_ONCE = 200
"""Connections that are opened at a time."""
PAUSE_SECONDS = 2.0
FIRST = {
    "heads": b"GET /v1/namespaces/default/jobs HTTP/1.1\r\nHost: localhost\r\n",
    "bodies": b"POST /v1/namespaces/default/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x.y.z\r\n"
    b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
}
MORE = {"heads": b"X-A: b\r\n", "bodies": b" "}


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def hold(kind: str, count: int) -> None:
    tls = unverified() if kind in {"greeted", "heads", "bodies"} else None
    port = HEALTH if kind == "health" else API
    room = asyncio.Semaphore(AT_ONCE)
    held: list[asyncio.StreamWriter] = []

    async def one() -> None:
        async with room:
            try:
                async with asyncio.timeout(60):
                    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            except (OSError, TimeoutError):  # refused, or closed in the handshake
                return
            held.append(writer)
            writer.write(FIRST.get(kind, b""))

    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.gather(*(one() for _ in range(count)))
    sys.stdout.write(f"{len(held)}\n")
    sys.stdout.flush()
    while not ended.done():
        for writer in held:
            if not writer.is_closing():
                with contextlib.suppress(OSError):
                    writer.write(MORE.get(kind, b""))
        await asyncio.wait({ended}, timeout=PAUSE_SECONDS)
    for writer in held:
        writer.transport.abort()


def ask(path: str) -> None:
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        began = time.monotonic()
        try:
            status = answered(path)
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        sys.stdout.write(json.dumps({"status": status, "seconds": round(time.monotonic() - began, 3)}) + "\n")
        sys.stdout.flush()


def answered(path: str) -> int:
    """The status, by a new connection."""
    if path == "/readyz":
        asking = http.client.HTTPConnection("127.0.0.1", HEALTH, timeout=30)
    else:
        asking = http.client.HTTPSConnection("127.0.0.1", API, timeout=30, context=unverified())
    with contextlib.closing(asking):
        asking.request("GET", path, headers={"Authorization": f"Bearer {os.environ.get('TOKEN', '')}"})
        answer = asking.getresponse()
        answer.read()
        return answer.status


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        asyncio.run(hold(sys.argv[2], int(sys.argv[3])))
    else:
        ask(sys.argv[2])
