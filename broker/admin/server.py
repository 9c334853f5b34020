"""The control plane: health, readiness, metrics and reloads over plain HTTP, on loopback unless told otherwise."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from broker.config.model import BindAddress


class AdminServer:
    """Serves /healthz, /readyz, /metrics, /config and /reload."""

    def __init__(
        self,
        bind: BindAddress,
        registry: CollectorRegistry,
        ready: Callable[[], bool],
        config: Callable[[], dict[str, Any]],
        reload: Callable[[], Awaitable[dict[str, Any]]],
    ) -> None:
        """`config`: what is loaded, and how the last reload ended; `reload` does one and says the same."""
        self.bind = bind
        self._config_status = config
        self._do_reload = reload
        self._registry = registry
        self._is_ready = ready
        self._runner: web.AppRunner | None = None
        self.address: tuple[str, int] = (bind.host, bind.port)

    async def start(self) -> None:
        """Bind and serve. Raises `OSError` when the address cannot be had."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._metrics),
                web.get("/config", self._config),
                web.post("/reload", self._reload),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self.bind.host, self.bind.port)
            await site.start()
        except OSError:
            await self.stop()
            raise
        host, port = self._runner.addresses[0][:2]
        self.address = (host, port)

    async def stop(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self, _: web.Request) -> web.Response:
        ready = self._is_ready()
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _config(self, _: web.Request) -> web.Response:
        return web.json_response(self._config_status())

    async def _reload(self, _: web.Request) -> web.Response:
        status = await self._do_reload()
        last = status.get("last_reload")
        if last is None:
            return web.json_response({"error": "the broker is stopping"}, status=503)
        return web.json_response(status, status=200 if last["outcome"] == "success" else 422)
