"""`broker check`: every fault of a routes file, each with its place."""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from broker.config.faults import Fault
from broker.config.load import check
from broker.secretstore.checks import provider_settings, resolved
from broker.tls.checks import engine_settings

NAME: Final = "check"
HELP: Final = "say everything that is wrong with a routes file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`-c FILE`, `--json` and `--resolve`."""
    parser.add_argument("-c", "--config", default="routes.yaml", metavar="FILE", help="the routes file")
    parser.add_argument("--json", action="store_true", help="print a JSON array of faults")
    parser.add_argument(
        "--resolve", action="store_true", help="also look up every secret, and say which cannot be had; shows none"
    )


def run(args: argparse.Namespace) -> int:
    """Print the faults, and a summary on standard error; returns 1 when one of them is an error, else 0."""
    faults = check(Path(args.config), [engine_settings, provider_settings, *([resolved] if args.resolve else [])])
    if args.json:
        sys.stdout.write(json.dumps([fault.as_dict() for fault in faults], indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{fault}\n" for fault in faults)
    sys.stderr.write(f"{args.config}: {summary(faults)}\n")
    return int(any(fault.severity == "error" for fault in faults))


def summary(faults: list[Fault]) -> str:
    """`ok`, or how many errors and warnings there are."""
    warnings = sum(fault.severity == "warning" for fault in faults)
    counts = [_count(len(faults) - warnings, "error"), _count(warnings, "warning")]
    return ", ".join(part for part in counts if part) or "ok"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number > 1 else ''}" if number else ""
