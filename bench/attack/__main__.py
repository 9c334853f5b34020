"""`python -m bench.attack`: measures, prints the tables, writes bench/out/attack.json."""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from bench import nginx
from bench.attack.publish import publish
from bench.attack.run import run_proxy
from bench.attack.scenario import PROXIES, QUICK, Scenario
from bench.attack.tables import report
from bench.attack.targets import Results, judge
from bench.cases.case import say
from bench.cores import choose_cores
from bench.lab import open_lab
from bench.machine import machine_facts, versions
from bench.peers import PEERS
from bench.process import ROOT


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.attack", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 idle connections, short: for a first look")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "out", help="where attack.json goes")
    parser.add_argument("--from", dest="source", type=Path, help="measure nothing, report this attack.json")
    parser.add_argument("--publish", action="store_true", help="write docs/attack.md and .png, and README.md, too")
    return parser.parse_args()


def run(scenario: Scenario) -> Results:
    """One proxy after the other, in front of the same upstream."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, open_lab(Path(directory)) as lab:
        found = {name: run_proxy(lab, name, scenario) for name in PROXIES}
    return {
        "scenario": dataclasses.asdict(scenario),
        "proxies": found,
        "machine": machine_facts(choose_cores()),
        "versions": versions([PEERS[name] for name in PROXIES]),
    }


def main() -> None:
    """Entry point; the exit code says whether all targets were reached."""
    options = arguments()
    if options.source:
        results = json.loads(options.source.read_text())
    elif reason := nginx.missing():
        sys.exit(f"nginx is missing: {reason}")
    else:
        results = run(QUICK if options.quick else Scenario())
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "attack.json").write_text(json.dumps(results))
    print(report(results))
    if options.publish:
        for path in publish(results):
            say(f"wrote {path}")
    if missed := [each.target for each in judge(results) if not each.reached]:
        sys.exit(f"missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
