"""`python -m bench`: measures, prints the ratios, writes bench/out/results.json."""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench.cases import CASES, QUICK, Case, Effort, Round
from bench.cases.case import say
from bench.cores import choose_cores
from bench.generator import LoadError
from bench.lab import Lab, open_lab
from bench.machine import machine_facts, versions
from bench.peers import PEERS, Peer
from bench.process import ROOT, DidNotStartError
from bench.profile import profile
from bench.publish import publish
from bench.report import report

Named = TypeVar("Named")
Measured = tuple[dict[str, list[Round]], dict[str, str]]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", metavar="PEERS", help=f"comma-separated, of {','.join(PEERS)}")
    parser.add_argument("--cases", metavar="CASES", help=f"comma-separated, of {','.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="two rounds of a second: for a first look")
    parser.add_argument("--rounds", type=int, help="how many rounds")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "out", help="where results.json goes")
    parser.add_argument("--from", dest="source", type=Path, help="measure nothing, report this results.json")
    parser.add_argument("--publish", action="store_true", help="write docs/performance.md and .png too")
    parser.add_argument("--profile", action="store_true", help="only show where the broker's time goes")
    return parser.parse_args()


def chosen(wanted: str | None, offered: dict[str, Named]) -> list[Named]:
    """The values whose names are asked for; all when nothing is."""
    names = wanted.split(",") if wanted else list(offered)
    if unknown := [name for name in names if name not in offered]:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(offered)}")
    return [offered[name] for name in names]


def present(peers: Sequence[Peer]) -> list[Peer]:
    """The peers that can run here; says what the others miss."""
    for peer in peers:
        if reason := peer.missing():
            say(f"{peer.label} is left out: {reason}")
    return [peer for peer in peers if not peer.missing()]


def measure(lab: Lab, peers: Sequence[Peer], cases: Sequence[Case], effort: Effort) -> Measured:
    """Runs the cases; the second dict says why a case is missing from the first."""
    found: dict[str, list[Round]] = {}
    failed: dict[str, str] = {}
    for case in cases:
        taking_part = [peer for peer in peers if peer.name == "broker" or not case.broker_only]
        if not taking_part:
            continue
        say(f"{case.name}: {case.title}")
        try:
            found[case.name] = case.run(lab, taking_part, effort)
        except (LoadError, DidNotStartError) as error:
            failed[case.name] = str(error)
            say(f"  FAILED: {error}")
    return found, failed


def run(options: argparse.Namespace) -> dict[str, Any]:
    """One whole run, kept in results.json."""
    effort = QUICK if options.quick else Effort()
    if options.rounds:
        effort = dataclasses.replace(effort, rounds=options.rounds)
    peers = present(chosen(options.only, PEERS))
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, open_lab(Path(directory)) as lab:
        cases, failed = measure(lab, peers, chosen(options.cases, CASES), effort)
    results = {
        "machine": machine_facts(choose_cores()),
        "versions": versions(peers),
        "effort": dataclasses.asdict(effort),
        "cases": cases,
        "failed": failed,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(results))
    return results


def main() -> None:
    """Entry point."""
    options = arguments()
    if options.profile:
        profile(options.out)
        return
    results = json.loads(options.source.read_text()) if options.source else run(options)
    print(report(results))
    if options.publish:
        for path in publish(results):
            say(f"wrote {path}")
    if results["failed"]:
        sys.exit(f"failed: {', '.join(results['failed'])}")


if __name__ == "__main__":
    main()
