"""A broker process with one route whose password is a reference, and the upstream that gets to see it."""

import datetime as dt
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from scenario_broker import Answer

from broker.testing.contexts import client_context
from broker.testing.pki import Authority

PATIENCE = 30
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
AUTHORITY = Authority.create("Scenario CA", not_after=LATER)
IDENTITY = AUTHORITY.issue(not_after=LATER)


class Upstream:
    """Says which Authorization it was shown."""

    def __init__(self) -> None:
        shown = self.shown = []  # type: list[str]

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                shown.append(self.headers.get("Authorization", ""))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


class Place:
    """A routes file with one route whose password is `reference`, and a broker that runs it."""

    def __init__(self, base: Path, upstream: Upstream, reference: str, secrets: dict[str, Any]) -> None:
        chain, key = IDENTITY.write(base, "server")
        AUTHORITY.write_ca(base, "ca.crt")
        self.base = base
        self.environment = {**os.environ, "SECRET_ID": "secret-id-1", "CLIENT_SECRET": "client-secret-1"}
        self.process: subprocess.Popen[str] | None = None
        self.err: list[str] = []
        credentials = {"type": "basic", "username": "wms", "password": reference}
        route = {"name": "all", "match": {"path": "/"}, "callers": "public", "upstream": "back"}
        document = {
            "version": 1,
            "admin": {"bind": "127.0.0.1:0"},
            "secrets": {"files": str(base / "mount"), "refresh": "200ms", "timeout": "2s", **secrets},
            "listeners": {
                "in": {"bind": "127.0.0.1:0", "tls": {"certificates": [{"chain": chain.name, "key": key.name}]}}
            },
            "upstreams": {"back": {"targets": [f"http://127.0.0.1:{upstream.server.server_address[1]}"]}},
            "routes": [{**route, "credentials": credentials}],
        }
        (base / "routes.yaml").write_text(yaml.safe_dump(document))

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "broker", *arguments],
            cwd=self.base,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def __enter__(self) -> "Place":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "broker", "run"],
            cwd=self.base,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.err.append(line)
            entry = json.loads(line)
            if entry["event"] == "ready":
                self.port = int(entry["listeners"]["in"].rpartition(":")[2])
                return self
        raise AssertionError("".join(self.err))

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        out, err = self.process.communicate(timeout=PATIENCE)
        self.out = out
        self.err.append(err)

    def get(self) -> Answer:
        connection = http.client.HTTPSConnection(
            "localhost", self.port, context=client_context(AUTHORITY.ca_pem), timeout=PATIENCE
        )
        try:
            connection.request("GET", "/")
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def until_shown(self, upstream: Upstream, password: str) -> None:
        end = time.monotonic() + PATIENCE
        while self.get().status != 200 or upstream.shown[-1] != basic(password):
            assert time.monotonic() < end, self.err
            time.sleep(0.05)

    def kept_quiet(self, *secrets: str) -> bool:
        everything = self.out + "".join(self.err)
        forms = [form for secret in secrets for form in (secret, b64encode(f"wms:{secret}".encode()).decode())]
        return "Traceback" not in everything and not any(form in everything for form in forms)


def basic(password: str) -> str:
    return "Basic " + b64encode(f"wms:{password}".encode()).decode()
