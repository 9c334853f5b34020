"""`broker certs`: a development authority and the certificates that it issues."""

import argparse
import sys
from pathlib import Path

from broker.testing.devpki import CannotIssueError, Workshop

NAME = "certs"
HELP = "make a development CA, a server certificate, and those of the bundled legacy endpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--out", type=Path, default=Path("certs"), metavar="DIR", help="default: certs/")
    parser.add_argument("--force", action="store_true", help="replace certificates that are still valid")


def run(args: argparse.Namespace) -> int:
    """Make what is missing or ending, and say what was done."""
    workshop = Workshop(args.out, force=args.force)
    try:
        workshop.make_all()
    except (CannotIssueError, OSError) as error:
        print(f"broker certs: {error}", file=sys.stderr)
        return 1
    finally:
        for note in workshop.notes:
            print(note)
    return 0
