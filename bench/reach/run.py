"""Serving every case and trying every way to it."""

import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.cases.case import say
from bench.reach import broker, caddy, envoy, haproxy, nginx, stunnel
from bench.reach.call import CALLS, MANY_CALLS, failure
from bench.reach.proxy import Proxy
from bench.reach.wish import wishes
from broker.testing.legacy_tls import CASES, Case, Served
from broker.testing.legacy_tls.processes import free_port, process

PROXIES = {each.name: each for each in (nginx.PROXY, haproxy.PROXY, stunnel.PROXY, envoy.PROXY, caddy.PROXY)}
CHOSEN = {case.name: case for case in CASES.values() if case.group == "tls" or case.name == "ipv6"}
TWICE = frozenset({"resets-third"})
"""The cases whose server is listed twice among the targets, so that a failed handshake is tried again."""
_WORKERS = 5
_WORKERS_AGAIN = 2


@dataclass(frozen=True)
class Row:
    """What was found about a case."""

    name: str
    title: str
    setting: dict[str, Any]
    """What a broker needs beside trust."""
    automatic: str
    """The engine that `engine: auto` comes to."""
    failures: dict[str, str]
    """By engine and proxy, why the server was not reached, or nothing."""

    def reached(self, way: str) -> bool:
        """Whether an engine or proxy got through."""
        return self.failures.get(way) == ""


def try_all(cases: Sequence[Case]) -> list[Row]:
    """A row for each case that can be served here, in order.

    What fails is tried once more with less beside it, for a machine under load is slower than some timeouts.
    """
    ways = [*broker.ENGINES, *(proxy.name for proxy in PROXIES.values() if not proxy.missing())]
    runnable = []
    for case in cases:
        if reason := case.why_not():
            say(f"{case.name} is left out: {reason}")
        else:
            runnable.append(case)
    with ThreadPoolExecutor(_WORKERS) as pool:
        rows = list(pool.map(lambda case: _first(case, ways), runnable))
    with ThreadPoolExecutor(_WORKERS_AGAIN) as pool:
        return list(pool.map(_again, runnable, rows))


def _first(case: Case, ways: Collection[str]) -> Row:
    row = _try(case, ways)
    say(f"{case.name}: {', '.join(filter(row.reached, ways)) or 'not reached'}")
    return row


def _again(case: Case, row: Row) -> Row:
    failed = [way for way, reason in row.failures.items() if reason]
    if not failed:
        return row
    failures = row.failures | _try(case, failed).failures
    for way, reason in failures.items():
        if reason:
            say(f"{case.name}, {way}: {reason}")
    return replace(row, failures=failures)


def _try(case: Case, ways: Collection[str]) -> Row:
    with tempfile.TemporaryDirectory(prefix="reach-") as name:
        directory = Path(name)
        (directory / "server").mkdir()
        engines = [engine for engine in broker.ENGINES if engine in ways]
        with case.serve(directory / "server") as served:
            failures = broker.failures(served, directory, engines, twice=case.name in TWICE)
            calls = MANY_CALLS if case.name in TWICE else CALLS
            failures |= {name: _by(PROXIES[name], served, directory, calls) for name in PROXIES if name in ways}
            return Row(case.name, case.title, _setting(case, served), broker.automatic(served.settings), failures)


def _setting(case: Case, served: Served) -> dict[str, Any]:
    found = dict(served.tls)
    if "pin_sha256" in served.trust:
        found["pin_sha256"] = ["DIGEST"]
    if "unsafe_skip_verify" in served.trust:
        found["unsafe_skip_verify"] = True
    if "client_certificate" in found:
        found["client_certificate"] = {"chain": "FILE", "key": "FILE"}
    return {"tls": found} | ({"targets": ["URL", "URL"]} if case.name in TWICE else {})


def _by(proxy: Proxy, served: Served, directory: Path, calls: int) -> str:
    reason = ""
    for number, wanted in enumerate(wishes(served, directory)):
        wish = replace(wanted, directory=directory / f"{proxy.name}-{number}", listen=free_port())
        wish.directory.mkdir()
        command = proxy.prepare(wish)
        try:
            with process(command.argv, wish.listen, wish.directory / "log", command.environment):
                reason = failure(served, wish.listen, served.path, calls=calls)
        except (RuntimeError, TimeoutError) as error:
            reason = f"it does not start: {error}"
        if not reason:
            break
    return reason
