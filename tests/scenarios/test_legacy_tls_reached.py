"""Every legacy TLS server, with every engine, is reached or not exactly as docs/legacy-tls.md says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenario_broker import Broker

from broker.config.upstream_tls import UpstreamTls
from broker.testing.legacy_tls import CASES, Served
from broker.tls import private
from broker.tls.engines import EngineError, client_tls
from broker.tls.profiles import options_of

PAGE = Path(__file__).parents[2] / "docs" / "legacy-tls.md"
ENGINES = ("system", "tlslite", "private")
CALLS = 3


@dataclass(frozen=True)
class Row:
    """What the page says of a case."""

    title: str
    tls: dict[str, Any]
    targets: int
    reached: dict[str, bool]


def rows() -> dict[str, Row]:
    table = PAGE.read_text().partition("<!-- cases: begin -->")[2].partition("<!-- cases: end -->")[0]
    found = {}
    for name, title, setting, *cells in re.findall(r"^\| `(\S+)` \|" + r" (.+?) \|" * 6 + "$", table, re.MULTILINE):
        written = yaml.safe_load(f"{{{setting.strip('`')}}}")
        tls = written.get("tls", written)
        reached = {engine: cell == "yes" for engine, cell in zip(ENGINES, cells, strict=False)}
        found[name] = Row(title, tls, len(written.get("targets", [""])), reached)
    return found


ROWS = rows()


@dataclass(frozen=True)
class Scene:
    """A server, and a broker with an upstream for each engine that can honour its settings."""

    row: Row
    served: Served
    engines: tuple[str, ...]
    broker: Broker

    def reached_with(self, engine: str) -> bool:
        """Whether three calls, one after another, are answered by the server."""
        return engine in self.engines and all(self._answered(engine) for _ in range(CALLS))

    def _answered(self, engine: str) -> bool:
        answer = self.broker.get(f"/{engine}{self.served.path}")
        return answer.status == self.served.status and self.served.body.decode() in answer.text


@pytest.fixture(scope="module", params=ROWS)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    case, row = CASES[request.param], ROWS[request.param]
    if reason := case.why_not():
        pytest.skip(reason)
    server, directory = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("broker")
    with case.serve(server) as served:
        engines = tuple(engine for engine in ENGINES if able(served, engine))
        with Broker(directory, {engine: upstream(served, engine, row.targets) for engine in engines}) as broker:
            yield Scene(row, served, engines, broker)


def upstream(served: Served, engine: str, targets: int) -> dict[str, Any]:
    # By its name, so that a server name is sent where the settings do not leave it out.
    host = f"[{served.host}]" if ":" in served.host else "localhost"
    return {
        "targets": [f"https://{host}:{served.port}"] * targets,
        "tls": {**served.settings, "engine": engine},
        "timeouts": {"connect": "5s", "first_byte": "5s"},
    }


def able(served: Served, engine: str) -> bool:
    """Whether an engine can honour the settings; a broker would not start with it otherwise."""
    tls = UpstreamTls.model_validate(served.settings, context={"base": Path("/")})
    try:
        client_tls(options_of(tls), engine)
    except EngineError:
        return False
    return True


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_is_reached_as_the_page_says(scene: Scene, engine: str) -> None:
    if engine == "private" and not private.available():
        pytest.skip("the private OpenSSL was not built: make obsolete-tls")
    assert scene.reached_with(engine) == scene.row.reached[engine]


def test_the_page_names_the_setting_that_is_used(scene: Scene) -> None:
    used: dict[str, Any] = {**scene.served.tls}
    used |= {key: value for key, value in scene.served.trust.items() if key != "ca"}
    named = {key: value for key, value in scene.row.tls.items() if key != "engine"}
    for key in ("client_certificate", "pin_sha256"):
        # What they hold is made anew each time.
        assert (key in used) == (key in named)
        used.pop(key, None)
        named.pop(key, None)
    assert used == named


def test_the_page_names_every_case_of_tls() -> None:
    listed = {name: case.title for name, case in CASES.items() if case.group == "tls" or name == "ipv6"}
    assert {name: row.title for name, row in ROWS.items()} == listed


def test_a_target_that_resets_is_not_tried_again_by_itself(tmp_path: Path) -> None:
    case = CASES["resets-third"]
    if reason := case.why_not():
        pytest.skip(reason)
    server, directory = tmp_path / "server", tmp_path / "broker"
    server.mkdir()
    directory.mkdir()
    # Its answers end with their connections, so that each call takes a handshake.
    with case.serve(server) as served, Broker(directory, {"it": upstream(served, "system", 1)}) as broker:
        answers = [broker.get("/it/") for _ in range(6)]
    assert [answer.status for answer in answers] == [200, 200, 502] * 2
    assert answers[2].code == "upstream_tls_failed"
