"""`broker routes`: the compiled table, most specific first."""

import argparse

from broker.cli.common import add_config, load_or_complain
from broker.config.model import Config, Route

NAME = "routes"
HELP = "print the compiled table of routes"
COLUMNS = ("LISTENER", "HOST", "PATH", "CONDITIONS", "CALLERS", "ROUTE", "UPSTREAM")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`-c`."""
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table; exit code 2 when the file has faults."""
    config = load_or_complain(args.config)
    if isinstance(config, int):
        return config
    print_table([COLUMNS, *(row(config, route) for route in sorted(config.routes, key=rank))])
    return 0


def rank(route: Route) -> tuple[bool, int, int, int, str]:
    """Sorts the most specific route first, as the router decides."""
    match = route.match
    host = match.host or ""
    exactness = 0 if not host else 1 if host.startswith("*.") else 2
    return match.path.endswith("/"), -len(match.path), -exactness, -match.conditions, route.name


def row(config: Config, route: Route) -> tuple[str, ...]:
    """One route as text."""
    callers = "public" if route.callers == "public" else ",".join(route.callers)
    target = route.upstream + (f" {route.path}" if route.path else "")
    return (
        config.listener_of(route),
        route.match.host or "*",
        route.match.path,
        conditions(route) or "-",
        callers,
        route.name,
        target,
    )


def conditions(route: Route) -> str:
    """What a route asks besides host and path."""
    match = route.match
    parts = ["|".join(match.methods)] if match.methods else []
    parts += [f"soap_action={match.soap_action}"] if match.soap_action is not None else []
    parts += [f"{name}={value}" for name, value in match.headers.items()]
    return " ".join(parts)


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print rows in aligned columns."""
    widths = [max(len(one[i]) for one in rows) for i in range(len(rows[0]))]
    for one in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip())
