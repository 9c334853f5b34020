"""A broker in this process, on a thread of its own, and calls to it."""

import asyncio
import http.client
import os
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import yaml

from broker.app import App
from broker.testing.contexts import client_context
from broker.testing.pki import Authority, Issued

_LISTENER_CA = Authority.create("Broker CA")
_LISTENER = _LISTENER_CA.issue()


class Answer:
    """What a caller got."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.code = response.headers.get("Broker-Error")
        self.text = response.read().decode("latin-1")


class Broker:
    """A broker with one listener and a route `/NAME/` to each upstream."""

    ca_pem = _LISTENER_CA.ca_pem

    def __init__(
        self,
        directory: Path,
        upstreams: dict[str, dict[str, Any]],
        certificates: list[Issued] | None = None,
        listener_tls: dict[str, Any] | None = None,
        credentials: Any = None,
    ) -> None:
        listed = []
        for index, issued in enumerate(certificates or [_LISTENER]):
            chain, key = issued.write(directory, f"listener{index}")
            listed.append({"chain": str(chain), "key": str(key)})
        document = {
            "version": 1,
            "admin": {"bind": "127.0.0.1:0"},
            "log": {"access": False},
            "listeners": {"fno": {"bind": "127.0.0.1:0", "tls": {"certificates": listed, **(listener_tls or {})}}},
            "upstreams": upstreams,
            "routes": [
                {"name": name, "match": {"path": f"/{name}/"}, "path": "/", "callers": "public", "upstream": name}
                | ({} if credentials is None else {"credentials": credentials})
                for name in upstreams
            ],
        }
        path = directory / "routes.yaml"
        path.write_text(yaml.safe_dump(document))
        self._app = App(path, log_setup=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._app.start())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._run(self._app.stop(drain_seconds=0))
        finally:
            self._end()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        """Where the listener is."""
        return int(self._app.addresses()["fno"].rpartition(":")[2])

    def get(self, path: str, context: ssl.SSLContext | None = None) -> Answer:
        """GET over TLS 1.2 or later."""
        trusted = context or client_context(self.ca_pem)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=trusted, timeout=15)
        try:
            connection.request("GET", path)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def metrics(self) -> str:
        """The metrics page."""
        assert self._app.admin is not None
        host, port = self._app.admin.address
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{host}:{port}/metrics", timeout=10) as page:
            return str(page.read().decode())


Start = Callable[..., Broker]


@contextmanager
def subprocess_port(directory: Path, environment: dict[str, str]) -> Iterator[int]:
    """`broker run` on the routes file that a `Broker` left in `directory`; gives the listener's port."""
    command = [sys.executable, "-m", "broker", "run", "-c", str(directory / "routes.yaml")]
    log = directory / "broker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        yield _listening(log, process)
    finally:
        process.terminate()
        process.wait(15)


def _listening(log: Path, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r'"fno": ?"127\.0\.0\.1:(\d+)"', log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(log.read_text())
