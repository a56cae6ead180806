"""The HTTP endpoints, in process and over a real socket."""

import asyncio
import json
import urllib.request
from typing import Any
from urllib.error import URLError

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from streamrnn.errors import ConfigError
from streamrnn.web import Health, Server, create_app


class Service:
    """A view that a test can put into any state."""

    def __init__(self) -> None:
        self.liveness = Health(True, "the loop turned 0.1 s ago")
        self.readiness = Health(True, "2 partitions live")
        self.figures: dict[str, Any] = {"events": 3}

    def live(self) -> Health:
        return self.liveness

    def ready(self) -> Health:
        return self.readiness

    def status(self) -> dict[str, Any]:
        return self.figures


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("streamrnn_records", "Records", registry=registry).inc(5)
    return registry


class Client:
    """Asks the application without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._request("GET", path, **options))

    def post(self, path: str) -> httpx.Response:
        return asyncio.run(self._request("POST", path))

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)


@pytest.fixture
def client(service, registry) -> Client:
    return Client(create_app(service, registry))


@pytest.mark.parametrize(("path", "state"), [("/livez", "liveness"), ("/readyz", "readiness")])
def test_health_is_200_or_503_with_the_reason(client, service, path, state):
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (200, getattr(service, state).reason + "\n")
    setattr(service, state, Health(False, "in-3: restoring, 40 %"))
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (503, "in-3: restoring, 40 %\n")


def test_an_outage_is_not_ready_but_alive(client, service):
    service.readiness = Health(False, "the broker does not answer")
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_metrics_are_those_of_the_registry_in_the_form_the_client_asks_for(client):
    plain = client.get("/metrics", headers={"accept": "text/plain"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert "streamrnn_records_total 5.0" in plain.text
    open_metrics = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")


def test_status_is_valid_json_whatever_the_numbers_are(client, service):
    service.figures = {"loss": float("nan"), "list": [1, (float("inf"), 2.5)], "keys": {7: None}, "text": "é"}
    answer = client.get("/api/v1/status")
    assert answer.headers["content-type"] == "application/json"
    plain = json.loads(answer.content, parse_constant=pytest.fail)
    assert plain == {"loss": None, "list": [1, [None, 2.5]], "keys": {"7": None}, "text": "é"}


def test_only_reading_is_possible_and_unknown_paths_are_404(client):
    assert client.post("/livez").status_code == 405
    assert client.get("/nothing").status_code == 404


def opened(url: str) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=10) as answer:
        return answer.read().decode()


def test_the_server_takes_a_free_port_answers_and_stops(service, registry):
    with Server(create_app(service, registry), "127.0.0.1", 0) as server:
        assert server.port > 0
        assert server.address == f"http://127.0.0.1:{server.port}"
        assert opened(server.address + "/readyz") == "2 partitions live\n"
        assert "streamrnn_records_total" in opened(server.address + "/metrics")
    with pytest.raises(URLError):
        opened(server.address + "/livez")


def test_a_taken_port_is_a_clear_error_before_anything_starts(service, registry):
    app = create_app(service, registry)
    with Server(app, "127.0.0.1", 0) as first, pytest.raises(ConfigError, match=f"127.0.0.1:{first.port}"):
        Server(app, "127.0.0.1", first.port)


def test_a_server_that_never_started_releases_its_port(service, registry):
    app = create_app(service, registry)
    server = Server(app, "127.0.0.1", 0)
    server.stop()
    second = Server(app, "127.0.0.1", server.port)
    second.stop()
    assert second.port == server.port
