"""What the demo shows, step by step; each step fails when it does not go as told."""

import os
import time
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from broker.testing.demo import calls, counted
from broker.testing.demo.calls import Answer
from broker.testing.demo.setup import Setup, reachable, url
from broker.testing.legacy import soap

SOAP_PATH = "/legacy/stockquote.asmx"
REST_PATH = "/legacy/api/items"
_CALLS = 3


class StoryError(Exception):
    """A step went otherwise than told."""


class Story:
    """The steps, to be told in order."""

    def __init__(self, setup: Setup) -> None:
        """Tell it with this setup."""
        self._setup = setup
        self._admin = reachable(setup.admin)
        self._trust = calls.tls_1_2(setup.certs / "ca.crt")
        self._key = {"X-Api-Key": os.environ["FNO_API_KEY"]}
        self._before: counted.Values = {}
        self._number = 0

    def legacy_refuses_tls_1_2(self) -> None:
        """Show that the endpoint is out of reach for a TLS 1.2 client."""
        target = self._setup.legacy
        self._step(f"A TLS 1.2 client calls the legacy endpoint at {target}")
        trust = calls.tls_1_2(self._setup.certs / "legacy-ca.crt")
        error = calls.try_handshake(target.host, target.port, trust)
        if error is None:
            raise StoryError("the handshake succeeded: something else answers there")
        _say(f"refused: {error}")

    def broker_started(self) -> None:
        """Say where the broker is, and note its counters."""
        self._step("The broker starts")
        _say(f"listener {url(self._setup.server, 'https')}, admin {url(self._admin)}")
        self._before = self._values()

    def soap_is_answered(self) -> None:
        """Call the SOAP service through the broker."""
        self._step("SOAP GetQuote through the broker: an API key, no legacy credential")
        headers = {
            **self._key,
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{soap.ACTION}"',
        }
        answer = self._call("POST", SOAP_PATH, headers, soap.envelope("MSFT"))
        _require(answer, 200)
        price = ET.fromstring(answer.body).findtext(f".//{{{soap.NAMESPACE}}}price")
        _say(f"price of MSFT: {price}")

    def rest_is_answered(self) -> None:
        """Call the REST API through the broker."""
        self._step("REST GET through the broker: an API key, no legacy credential")
        answer = self._call("GET", REST_PATH, self._key)
        _require(answer, 200)
        _say(answer.body.decode())

    def stranger_is_refused(self) -> None:
        """Call without a key."""
        self._step("The same call without an API key")
        answer = self._call("GET", REST_PATH, {})
        _require(answer, 401)
        _say(f"Broker-Error: {answer.headers.get('broker-error', 'absent')}")

    def calls_were_counted(self) -> None:
        """Show the metrics that moved."""
        self._step("What the broker counted")
        moves = self._wait_for_moves()
        if not moves:
            raise StoryError("no metric moved")
        for move in moves:
            _say(str(move))

    def _wait_for_moves(self) -> list[counted.Move]:
        """A call may be counted a moment after its answer has arrived."""
        moves: list[counted.Move] = []
        for _ in range(20):
            moves = counted.moves(self._before, self._values())
            requests = [move for move in moves if move.name.startswith("broker_requests_total")]
            if sum(move.after - move.before for move in requests) >= _CALLS:
                break
            time.sleep(0.1)
        return moves

    def _values(self) -> counted.Values:
        answer = calls.fetch(self._admin, "/metrics")
        if answer.status != 200:
            raise StoryError(f"/metrics answered {answer.status}")
        return counted.values(answer.body.decode())

    def _call(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        answer = calls.call(self._setup.server, self._trust, method, path, headers, body)
        _say(f"{method} {url(self._setup.server, 'https')}{path} → {answer.status}")
        return answer

    def _step(self, title: str) -> None:
        self._number += 1
        print(f"\n{self._number}. {title}", flush=True)


def _require(answer: Answer, status: int) -> None:
    if answer.status != status:
        text = answer.body.decode(errors="replace")[:1000]
        raise StoryError(f"expected {status}, got {answer.status}: {text}")


def _say(line: str) -> None:
    print(f"   {line}", flush=True)
