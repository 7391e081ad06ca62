"""Runs the REST service: the API on one port, health and metrics on another."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl

import uvicorn
import uvloop
from starlette.types import ASGIApp

from quantumjob_api import app, metrics
from quantumjob_api.kubernetes.client import CallerClient
from quantumjob_api.server.connections import Connections, listen, serve
from quantumjob_api.server.middleware import RequestLimits
from quantumjob_api.server.quota import NamespaceQuota
from quantumjob_api.server.request_body import BodyBudget
from quantumjob_api.service import Service
from quantumjob_api.settings import ServiceSettings
from quantumjob_contract import logs
from quantumjob_contract.serving import certificates, health
from quantumjob_contract.store import StoreDirectory
from quantumjob_contract.store.aio import Stores
from quantumjob_contract.store_errors import StoreMisconfigured

logger = logging.getLogger(f"{__package__}.main")  # its __name__ is __main__

# What clients can bring into memory at a time, at most, of the pod's limit of 512 MiB:
#   75 MiB the process; 64 unread answers of 512 connections; 64 bodies and their parsed form; 160 segments;
#   120 manifests and lists that are being read; 12 for 192 waiting requests.
SEGMENT_BYTES = 64 << 20
"""Bytes of segments that are read at a time; each takes up to 2.5 times as much: as text, as samples, as JSON."""
HEAD_BYTES = 64 * 1024
"""Of a request: two tokens of 16 KiB and the rest fit."""
MANIFESTS = 3
JOB_LISTS = 2
HISTORY_LISTS = 4
GRACE_SECONDS = 10


async def open_service(settings: ServiceSettings, directory: StoreDirectory) -> Service:
    return Service(
        kube=CallerClient(settings.kubernetes_url, settings.kubernetes_ca),
        stores=Stores(directory),
        bodies=BodyBudget(NamespaceQuota(settings.max_body_bytes, settings.max_body_bytes // 2)),
        waiting=NamespaceQuota(settings.max_waiting, -(-settings.max_waiting // 2)),
        segment_bytes=NamespaceQuota(SEGMENT_BYTES, SEGMENT_BYTES // 2),
        manifests=asyncio.Semaphore(MANIFESTS),
        job_lists=asyncio.Semaphore(JOB_LISTS),
        history_lists=NamespaceQuota(HISTORY_LISTS, HISTORY_LISTS // 2),
    )


def configured(app: ASGIApp) -> uvicorn.Config:
    """The HTTP server."""
    return uvicorn.Config(
        app,
        http="h11",  # uvicorn's other protocols bound neither a head nor the requests behind one at work
        h11_max_incomplete_event_size=HEAD_BYTES,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def certificate(settings: ServiceSettings) -> ssl.SSLContext | None:
    """The serving certificate; None without one, where a proxy terminates TLS."""
    if not (settings.tls_dir / "tls.crt").exists():
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_dir / "tls.crt", settings.tls_dir / "tls.key")
    return context


def unready(directory: StoreDirectory) -> str:
    """Why the pod is not ready, or an empty string. Whether Kubernetes and the store respond does not matter here."""
    try:
        directory.open()
    except StoreMisconfigured as error:
        return str(error)
    return ""


async def run(settings: ServiceSettings) -> None:
    context = certificate(settings)
    directory = StoreDirectory(settings.store_dir)  # shared, since it caches what it has read
    keeping = asyncio.create_task(certificates.keep(context, settings.tls_dir)) if context else None
    answers = health.application(metrics.REGISTRY, lambda: "", lambda: unready(directory))
    try:
        async with health.served(answers, listen(settings.health_port)):
            connections = Connections(settings.max_connections)
            limited = RequestLimits(app.create(lambda: open_service(settings, directory)), connections)
            await serve(uvicorn.Server(configured(limited)), listen(settings.port), connections, context)
    finally:
        if keeping:
            keeping.cancel()


def main() -> None:
    settings = ServiceSettings()
    if not settings.kubernetes_url:
        raise SystemExit("The API server is unknown outside a pod: set QUANTUMJOB_API_KUBERNETES_URL.")
    logs.configure(__package__)
    logger.info("Starting", extra={"kubernetes": settings.kubernetes_url})
    gc.freeze()  # else a collection visits all that was imported, for tens of milliseconds
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))


if __name__ == "__main__":
    main()
