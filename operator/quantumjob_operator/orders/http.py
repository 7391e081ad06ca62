"""Routes of the order endpoint, authentication of the caller, and errors as short JSON."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from quantumjob_contract.schema.decoding import decode
from quantumjob_contract.schema.orders import PATH_ORDERS, HeartbeatRequest, OrderRequest, UrlsRequest
from quantumjob_contract.store_errors import StoreError
from quantumjob_operator import metrics
from quantumjob_operator.kubernetes.client import ApiError
from quantumjob_operator.orders.identity import Identity, WorkerRegistry
from quantumjob_operator.orders.service import NoMoreOrders, NotAssigned, OrderService
from quantumjob_operator.orders.tokens import Denied, TokenVerifier
from quantumjob_operator.results.collect import Corrupt

logger = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 64 * 1024
MAX_SEGMENT: Final = 10**6
IDENTITY: Final = web.RequestKey[Identity]("identity", object)  # type: ignore[arg-type]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class OrderServer:
    """The HTTP application over an order service."""

    order_service: OrderService
    verifier: TokenVerifier
    registry: WorkerRegistry

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self.authenticate], client_max_size=MAX_BODY_BYTES)
        app.router.add_post(PATH_ORDERS, self.order)
        app.router.add_post(PATH_ORDERS + "/{uid}/{shard:[0-9]{1,4}}/urls", self.urls)
        app.router.add_post(PATH_ORDERS + "/{uid}/{shard:[0-9]{1,4}}/alive", self.alive)
        return app

    @web.middleware
    async def authenticate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers 401 for an invalid token, 403 for a pod that is no worker or has not this order."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            return _problem(request, 401, "a bearer token is required")
        try:
            caller = await self.verifier.verify(token)
        except Denied as error:
            return _problem(request, 401, str(error))
        except ApiError as error:
            return _problem(request, 503, f"the cluster's public keys cannot be fetched: {error}")
        try:
            request[IDENTITY] = await self.registry.identify(caller)
        except Denied as error:
            return _problem(request, 403, f"{caller.namespace}/{caller.pod}: {error}")
        except ApiError as error:
            return _problem(request, 503, f"the caller's pod cannot be looked up: {error}")
        try:
            return await handler(request)
        except NoMoreOrders:
            return web.Response(status=410)
        except NotAssigned:
            return _problem(request, 403, f"{caller.namespace}/{caller.pod}: the order is not assigned to this worker")
        except msgspec.DecodeError:
            return _problem(request, 400, "the body is not valid for this path")
        except (StoreError, Corrupt) as error:
            return _problem(request, 503, f"the object store is unavailable: {type(error).__name__}")

    async def order(self, request: web.Request) -> web.Response:
        message = decode(await request.read(), OrderRequest)
        order = await self.order_service.next(request[IDENTITY], message)
        return web.Response(status=204) if order is None else _json(order)

    async def urls(self, request: web.Request) -> web.Response:
        message = decode(await request.read(), UrlsRequest)
        if not 0 <= message.start <= MAX_SEGMENT:
            return _problem(request, 400, "the segment number is out of range")
        return _json(await self.order_service.urls(request[IDENTITY], *_named(request), message))

    async def alive(self, request: web.Request) -> web.Response:
        message = decode(await request.read(), HeartbeatRequest)
        return _json(self.order_service.alive(request[IDENTITY], *_named(request), message))


def _named(request: web.Request) -> tuple[str, int]:
    """Returns the job's UID and the shard's number of the path."""
    return request.match_info["uid"], int(request.match_info["shard"])


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _problem(request: web.Request, status: int, cause: str) -> web.Response:
    """Answers with the status alone. The cause is logged."""
    metrics.ORDERS_REFUSED.labels(status).inc()
    logger.warning("Order refused", extra={"status": status, "path": request.path, "cause": cause})
    return web.json_response({"status": status}, status=status)


async def serve(app: web.Application, port: int, context: ssl.SSLContext | None) -> web.AppRunner:
    """Listens on all addresses. The caller cleans up the runner."""
    # A request whose client has disconnected must take no order.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, port=port, ssl_context=context).start()
    return runner
