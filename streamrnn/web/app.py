"""HTTP: liveness, readiness, metrics and status."""

from collections.abc import Callable
from math import isfinite
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streamrnn import __version__
from streamrnn.web.view import Health, View


def create_app(view: View, registry: CollectorRegistry) -> FastAPI:
    def livez() -> Response:
        """200 while the loop comes round, else 503: restart it."""
        return _answer(view.live())

    def readyz() -> Response:
        """200 if partitions are assigned and live, else 503 with the reason."""
        return _answer(view.ready())

    def metrics(request: Request) -> Response:
        """Prometheus text or OpenMetrics, as the client prefers."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)

    def status() -> Response:
        """What the service does now, as JSON."""
        return JSONResponse(_finite(view.status()))

    routes: dict[str, Callable[..., Response]] = {
        "/livez": livez,
        "/readyz": readyz,
        "/metrics": metrics,
        "/api/v1/status": status,
    }
    router = APIRouter()
    for path, handler in routes.items():
        router.add_api_route(path, handler, methods=["GET"], response_class=Response)
    app = FastAPI(title="streamrnn", version=__version__)
    app.include_router(router)
    return app


def _answer(health: Health) -> Response:
    return PlainTextResponse(f"{health.reason}\n", 200 if health.well else 503)


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON has no name for."""
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
