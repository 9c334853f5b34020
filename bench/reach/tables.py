"""The two tables of docs/legacy-tls.md, and what stands below them."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import yaml

from bench.reach.broker import ENGINES
from bench.reach.proxy import Proxy
from bench.reach.run import Row

YES, NO = "yes", "–"
_PIP = ("system", "tlslite")


def cases(rows: Sequence[Row]) -> str:
    """Which setting reaches each case, by which engines, and what has to be installed for it."""
    lines = ["| case | the server | setting | system | tlslite | private | takes |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        marks = [_mark(row.reached(engine)) for engine in ENGINES]
        cells = [f"`{row.name}`", row.title, f"`{_setting(row)}`", *marks, _takes(row)]
        lines.append(f"| {' | '.join(cells)} |")
    totals = [f"**{sum(row.reached(engine) for row in rows)}**" for engine in ENGINES]
    lines.append(f"| **{len(rows)}** | | | {' | '.join(totals)} | |")
    return "\n".join(lines)


def comparison(rows: Sequence[Row], proxies: Sequence[Proxy]) -> str:
    """Which proxy reaches which case; totals in the last row."""
    heads = ["case", "broker, pip alone", "broker, with the private OpenSSL", *(proxy.label for proxy in proxies)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    found = [[_pip(row), _any(row), *(row.reached(proxy.name) for proxy in proxies)] for row in rows]
    for row, reached in zip(rows, found, strict=True):
        lines.append(f"| `{row.name}` | {' | '.join(map(_mark, reached))} |")
    totals = (f"**{sum(column)}**" for column in zip(*found, strict=True))
    lines.append(f"| **of {len(rows)}** | {' | '.join(totals)} |")
    return "\n".join(lines)


def notes(proxies: Sequence[Proxy], facts: dict[str, str]) -> str:
    """On what this was found, and how weak each proxy was set."""
    told = facts | {f"{proxy.label} {proxy.version()}": proxy.limits for proxy in proxies}
    lines = (f"- {name}: {value}" for name, value in told.items())
    return "\n".join(fill(line, 120, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def _setting(row: Row) -> str:
    tls = dict(row.setting["tls"])
    if not row.reached(row.automatic) and _any(row):
        tls["engine"] = next(engine for engine in ENGINES if row.reached(engine))
    shown: dict[str, Any] = row.setting | {"tls": tls} if len(row.setting) > 1 else tls
    return yaml.safe_dump(shown, default_flow_style=True, width=1000, sort_keys=False).strip()[1:-1]


def _takes(row: Row) -> str:
    # What `engine: auto` comes to where there is no private OpenSSL.
    automatic = "tlslite" if row.automatic == "private" else row.automatic
    for engine in (automatic, *_PIP):
        if row.reached(engine):
            return f"pip ({engine})"
    return "private OpenSSL" if _any(row) else "**not reached**"


def _pip(row: Row) -> bool:
    return any(row.reached(engine) for engine in _PIP)


def _any(row: Row) -> bool:
    return any(row.reached(engine) for engine in ENGINES)


def _mark(reached: bool) -> str:
    return YES if reached else NO
