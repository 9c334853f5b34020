"""`python -m bench.obsolete`: measures, prints the tables, writes bench/out/obsolete.json."""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from bench import nginx
from bench.cases.case import say
from bench.cores import choose_cores
from bench.machine import machine_facts, versions
from bench.obsolete import tools, ways
from bench.obsolete.effort import QUICK, Effort
from bench.obsolete.parts import bulk, calls, direct, handshakes, raw, stalls
from bench.obsolete.place import Place, open_place
from bench.obsolete.publish import publish
from bench.obsolete.tables import report
from bench.obsolete.targets import Results
from bench.obsolete.ways import Way
from bench.peers import PEERS
from bench.process import ROOT

T = TypeVar("T")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.obsolete", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute: for a first look")
    parser.add_argument("--engines", metavar="ENGINES", help="comma-separated, beside system: private,tlslite")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "out", help="where obsolete.json goes")
    parser.add_argument("--from", dest="source", type=Path, help="measure nothing, report this obsolete.json")
    parser.add_argument("--publish", action="store_true", help="write docs/legacy-tls-performance.md too")
    return parser.parse_args()


def measure(place: Place, effort: Effort) -> Results:
    """All parts, one after the other."""

    def part(title: str, run: Callable[[], T]) -> T:
        say(title)
        return run()

    found: Results = {
        "raw": part("engines alone", lambda: raw.run(place, effort)),
        "handshakes": part("handshakes", lambda: handshakes.run(place, effort)),
    }
    with place.broker() as broker:
        found["calls"] = part("calls over pooled connections", lambda: calls.run(place, broker, effort))
        found["bulk"] = part("large bodies", lambda: bulk.run(place, broker, effort))
        found["direct"] = part("a connection per call", lambda: direct.run(place, broker, effort))
    found["stalls"] = part("stalls", lambda: stalls.run(place, effort))
    return found


def run(chosen: Sequence[Way], absent: dict[str, str], effort: Effort) -> Results:
    """One whole run."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, open_place(Path(directory), chosen) as place:
        found = measure(place, effort)
    return {
        **found,
        "absent": absent,
        "machine": machine_facts(choose_cores()),
        "versions": _versions(),
        "effort": dataclasses.asdict(effort),
    }


def _versions() -> dict[str, str]:
    found = versions([PEERS["broker"]]) | {"nginx": nginx.version()}
    found["private OpenSSL, legacy server and direct client"] = tools.openssl_version()
    for package in ("tlslite-ng", "cryptography", "gmpy2"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def main() -> None:
    """Entry point."""
    options = arguments()
    if options.source:
        results = json.loads(options.source.read_text())
    else:
        if reason := tools.missing() or nginx.missing():
            sys.exit(reason)
        chosen, absent = ways.present()
        if options.engines:
            chosen = [way for way in chosen if way.engine in ("system", *options.engines.split(","))]
        for name, why in absent.items():
            say(f"{name} is left out: {why}")
        results = run(chosen, absent, QUICK if options.quick else Effort())
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "obsolete.json").write_text(json.dumps(results))
    print(report(results))
    if options.publish:
        say(f"wrote {publish(results)}")


if __name__ == "__main__":
    main()
