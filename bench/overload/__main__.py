"""`python -m bench.overload`: measures, prints the tables, writes bench/out/overload.json."""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from bench.cases.case import say
from bench.cores import choose_cores
from bench.machine import machine_facts, versions
from bench.overload.publish import publish
from bench.overload.run import run_way
from bench.overload.scenario import QUICK, WAYS, Scenario
from bench.overload.tables import report
from bench.overload.targets import Results, judge
from bench.peers import PEERS
from bench.process import ROOT


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten seconds of overload: for a first look")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "out", help="where overload.json goes")
    parser.add_argument("--from", dest="source", type=Path, help="measure nothing, report this overload.json")
    parser.add_argument("--publish", action="store_true", help="write docs/overload.md and .png too")
    return parser.parse_args()


def run(scenario: Scenario) -> Results:
    """All ways, one after the other."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for way in WAYS:
            say(f"{way.label}: {scenario.seconds:.0f} s")
            found[way.name] = run_way(way, scenario, Path(directory) / way.name)
    return {
        "scenario": dataclasses.asdict(scenario),
        "ways": found,
        "machine": machine_facts(choose_cores()),
        "versions": versions([PEERS["broker"]]),
    }


def main() -> None:
    """Entry point; the exit code says whether all targets were reached."""
    options = arguments()
    if options.source:
        results = json.loads(options.source.read_text())
    else:
        results = run(QUICK if options.quick else Scenario())
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "overload.json").write_text(json.dumps(results))
    print(report(results))
    if options.publish:
        for path in publish(results):
            say(f"wrote {path}")
    if missed := [each.target for each in judge(results) if not each.reached]:
        sys.exit(f"missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
