"""`broker probe URL`: how a legacy endpoint can be reached, and the least weak settings that do."""

import argparse
import asyncio
import json
import re
import sys
from pathlib import Path

from broker.cli.common import new_loop
from broker.config.scalars import parse_pin, parse_timeout
from broker.core.message import Line
from broker.probe.address import Address, parse_address
from broker.probe.budget import Budget
from broker.probe.edit import CannotEdit, add, names_in, unique
from broker.probe.report import document, table
from broker.probe.run import Progress, Result, probe
from broker.probe.search import Request

NAME = "probe"
HELP = "find out how an endpoint can be reached, and print the least weak upstream that works"

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)\Z")
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"})
_MOST = 150


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The endpoint, and how much may be asked of it."""
    parser.add_argument("url", metavar="URL", help="such as https://10.0.0.12:8443/Service.asmx")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the report")
    parser.add_argument("--write", type=Path, metavar="FILE", help="add the upstream to this routes file")
    parser.add_argument("--name", help="the name of the upstream (default: made from the host)")
    parser.add_argument("--path", help="the path to call, instead of the URL's")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="'K: V'", help="a line for the calls")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM of the CA that the endpoint's certificate is from")
    parser.add_argument("--pin", metavar="SHA256", help="digest of the endpoint's certificate, where it is known")
    parser.add_argument("--cert", type=Path, metavar="FILE", help="PEM of a client certificate to show")
    parser.add_argument("--key", type=Path, metavar="FILE", help="PEM of its key, not encrypted")
    parser.add_argument("--budget", default="60s", metavar="TIME", help="when the verdict is due (default: 60s)")
    parser.add_argument("--connections", type=int, default=_MOST, metavar="N", help=f"at most (default: {_MOST})")
    parser.add_argument("--timeout", default="4s", metavar="TIME", help="for one answer (default: 4s)")
    parser.add_argument("--pace", default="50ms", metavar="TIME", help="between two connections (default: 50ms)")
    parser.add_argument("--post", action="store_true", help="test request bodies with POST instead of OPTIONS")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is being done, on stderr")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when settings that work were found, 1 when not, 2 when the arguments are of no use."""
    try:
        request, budget = read_request(args), read_budget(args)
        name = chosen_name(args, request.address)
    except (ValueError, CannotEdit) as error:
        print(f"broker probe: {error}", file=sys.stderr)
        return 2
    with asyncio.Runner(loop_factory=new_loop) as runner:
        result = runner.run(probe(request, budget(), progress_of(args), post=args.post))
    if args.json:
        print(json.dumps(document(result, name), indent=2))
    else:
        print(table(result, name), end="")
    if result.candidate is None:
        return 1
    return write(args.write, name, result) if args.write is not None else 0


def read_request(args: argparse.Namespace) -> Request:
    """What is asked; raises `ValueError`."""
    for option, path in (("--ca", args.ca), ("--cert", args.cert), ("--key", args.key)):
        if path is not None and not path.is_file():
            raise ValueError(f"{option}: there is no file {path}")
    if (args.cert is None) != (args.key is None):
        raise ValueError("--cert and --key belong together")
    identity = None if args.cert is None else (str(args.cert.absolute()), str(args.key.absolute()))
    pin = None if args.pin is None else parse_pin(args.pin)
    ca = None if args.ca is None else str(args.ca.absolute())
    return Request(parse_address(args.url, args.path), [read_line(text) for text in args.header], ca, pin, identity)


def read_line(text: str) -> Line:
    """A header line as it is given to curl; raises `ValueError`, which does not repeat it."""
    parts = _LINE.match(text)
    if parts is None:
        raise ValueError("-H: expected a header line such as 'SOAPAction: urn:x'")
    if parts[1].lower() in _FRAMING:
        raise ValueError(f"-H: {parts[1]} is not the caller's to set")
    return parts[1].encode(), parts[2].strip().encode("utf-8")


class BudgetMaker:
    """The limits, before the clock starts."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.connections: int = args.connections
        self.seconds = parse_timeout(args.budget)
        self.timeout = parse_timeout(args.timeout)
        self.pace = parse_timeout(args.pace)
        if not 1 <= self.connections <= _MOST:
            raise ValueError(f"--connections: expected 1 to {_MOST}")

    def __call__(self) -> Budget:
        """The clock starts."""
        return Budget(connections=self.connections, seconds=self.seconds, pace=self.pace, timeout=self.timeout)


def read_budget(args: argparse.Namespace) -> BudgetMaker:
    """How much may be asked; raises `ValueError`."""
    return BudgetMaker(args)


def chosen_name(args: argparse.Namespace, address: Address) -> str:
    """The upstream's name, which no other in the file has; raises `ValueError` and `CannotEdit`."""
    name = args.name or re.sub(r"[^A-Za-z0-9]+", "-", address.host).strip("-")[:90]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError("--name: expected letters, digits, '.', '_' and '-'")
    try:
        taken = names_in(args.write) if args.write is not None else set()
    except CannotEdit as error:
        raise CannotEdit(f"{args.write}: {error}") from None
    if args.name in taken:
        raise ValueError(f"--name: {args.write} has an upstream {args.name} already")
    return unique(name, taken)


def progress_of(args: argparse.Namespace) -> Progress:
    """Where progress goes: stderr, when somebody looks."""
    if not (args.verbose or sys.stderr.isatty()):
        return lambda _: None
    return lambda text: print(f"broker probe: {text} …", file=sys.stderr, flush=True)


def write(path: Path, name: str, result: Result) -> int:
    """Add the upstream to the file; the exit code."""
    assert result.candidate is not None  # noqa: S101 - the caller has looked
    try:
        add(path, name, result.candidate, result.request.today)
    except CannotEdit as error:
        print(f"broker probe: {path} was not changed: {error}", file=sys.stderr)
        return 1
    print(f"broker probe: {path} has the upstream {name} now; give it a route", file=sys.stderr)
    return 0
