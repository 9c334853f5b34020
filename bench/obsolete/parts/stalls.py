"""What calls on other routes feel while obsolete handshakes and a 3DES body go on."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench import generator
from bench.generator import Load
from bench.lab import Running
from bench.obsolete import probe
from bench.obsolete.effort import MB, MIB, Effort
from bench.obsolete.place import Place
from bench.obsolete.routes import FULL, PLAIN

RATE = 200
_HANDSHAKES = 4
_CONNECTED = 0.3


@dataclass(frozen=True)
class Scenario:
    """What goes on beside the calls that are measured."""

    engine: str
    title: str
    loads: tuple[Load, ...]

    @property
    def name(self) -> str:
        """Of the row."""
        return f"{self.engine}: {self.title}" if self.engine else self.title


def scenarios(engines: Sequence[str]) -> list[Scenario]:
    """The quiet one first; what the target is about is `BOTH`."""
    found = [Scenario("", "nothing else", ()), Scenario("system", "handshakes, RSA", (_handshakes("system-aes"),))]
    for engine in engines:
        rsa, dhe = _handshakes(f"{engine}-3des"), _handshakes(f"{engine}-dhe")
        down: Load = {"path": f"/{engine}-3des/bytes/{4 * MIB}"}
        up: Load = {"path": f"/{engine}-3des/", "method": "POST", "body": 4 * MIB}
        found += [
            Scenario(engine, "handshakes, RSA", (rsa,)),
            Scenario(engine, "handshakes, DHE 2048", (dhe,)),
            Scenario(engine, "3DES body down", (down,)),
            Scenario(engine, "3DES body up", (up,)),
            Scenario(engine, BOTH, (rsa, down)),
        ]
    return found


BOTH = "handshakes, RSA, and 3DES body down"


def _handshakes(name: str) -> Load:
    return {"path": f"/{FULL}{name}/", "connections": _HANDSHAKES}


def run(place: Place, effort: Effort) -> dict[str, dict[str, Any]]:
    """By the name of the scenario; the broker is one of its own, for the probe is in it."""
    engines = [engine for engine in ("private", "tlslite") if any(way.engine == engine for way in place.ways)]
    path, found, windows = place.directory / "probe", {}, {}
    with place.broker("-m", "bench.obsolete.probed", str(path)) as broker:
        for scenario in scenarios(engines):
            windows[scenario.name], found[scenario.name] = _measure(place, broker, scenario, effort)
    for name, (begin, end) in windows.items():
        found[name] |= _summary(*probe.read(path, begin, end))
    return found


def _summary(late: list[float], worked: list[float]) -> dict[str, Any]:
    found = {"late_p50_ms": 0.5, "late_p99_ms": 0.99, "late_max_ms": 1}
    return {key: _quantile(late, q) for key, q in found.items()} | {
        "own_p99_ms": _quantile(worked, 0.99),
        "own_max_ms": _quantile(worked, 1),
    }


def _quantile(delays: list[float], q: float) -> float:
    return 1000 * delays[min(int(q * len(delays)), len(delays) - 1)]


def _measure(
    place: Place, broker: Running, scenario: Scenario, effort: Effort
) -> tuple[tuple[float, float], dict[str, Any]]:
    settled = _CONNECTED + effort.warmup
    begin = time.monotonic() + settled
    plain: Load = {"path": f"/{PLAIN}/", "mode": "open", "rate": RATE, "connections": 8, "warmup": settled}
    with ThreadPoolExecutor(4) as pool:
        calls = pool.submit(_calls, place, broker, {**plain, "seconds": effort.stall_seconds})
        time.sleep(_CONNECTED)  # whatever goes on beside them finds the callers connected
        whole = effort.warmup + effort.stall_seconds + _CONNECTED
        others = [pool.submit(_beside, place, broker, {**load, "seconds": whole}) for load in scenario.loads]
        figures, end = calls.result(), time.monotonic()
        done = [other.result() for other in others]
    return (begin, end), {
        "engine": scenario.engine,
        "title": scenario.title,
        **figures,
        "beside": [{"calls": each["requests"] / each["seconds"], "mb": each["bytes"] / MB} for each in done],
    }


def _calls(place: Place, broker: Running, load: Load) -> dict[str, Any]:
    """Latencies from when a call was due; without any where the broker answered none in time."""
    waited = broker.process.waited()
    try:
        result = place.load(broker, load)
    except generator.LoadError as error:
        if not str(error).startswith("0 failed of 0"):
            raise
        return {"calls_ms": None, "busy": None, "waited": None}
    quantiles = {name: result["latency_us"][name] / 1000 for name in ("p50", "p99", "max")}
    waited = (broker.process.waited() - waited) / (result["seconds"] + float(load["warmup"]))
    return {"calls_ms": quantiles, "busy": result["cpu_seconds"] / result["seconds"], "waited": waited}


def _beside(place: Place, broker: Running, load: Load) -> dict[str, Any]:
    return generator.run_load(place.tools.load, place.cores.generator, broker.port, load, [], seconds=60)
