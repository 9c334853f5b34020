"""One Markdown table a case."""

from collections.abc import Callable, Iterable

from bench.cases import Case
from bench.peers import PEERS
from bench.summary import (
    Round,
    added,
    efficiency_ratio,
    figure,
    pooled_added,
    pooled_quantile,
    rate_ratio,
    spread,
)
from bench.targets import routes_ratio


def table(case: Case, rounds: list[Round]) -> str:
    """The figures of a case; ratios are the broker's figure divided by the peer's."""
    return RENDERERS[case.kind](rounds)


def markdown(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    names = list(heads)
    lines = [names, ["---", *("---:" for _ in names[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def label(peer: str) -> str:
    """As it is written in tables."""
    return PEERS[peer].label if peer in PEERS else peer


def _against(rounds: list[Round], peer: str, compare: Callable[[list[Round], str, str], object]) -> str:
    if peer == "broker" or "broker" not in rounds[0]:
        return ""
    return compare(rounds, "broker", peer).text()  # type: ignore[attr-defined, no-any-return]


def _calls(rounds: list[Round]) -> str:
    heads = ("", "calls/s", "CPU µs/call", "core busy", "p50 ms", "p99 ms", "broker ÷ it: calls/s", "calls per CPU s")
    rows = (
        (
            label(peer),
            figure(rounds, peer, "rate").text(0),
            figure(rounds, peer, "cpu_us").text(1),
            f"{100 * figure(rounds, peer, 'busy').median:.0f} %",
            f"{figure(rounds, peer, 'p50_us').median / 1000:.2f}",
            f"{figure(rounds, peer, 'p99_us').median / 1000:.2f}",
            _against(rounds, peer, rate_ratio),
            _against(rounds, peer, efficiency_ratio),
        )
        for peer in rounds[0]
    )
    return markdown(heads, rows)


def _bodies(rounds: list[Round]) -> str:
    heads = ("", "MiB/s", "CPU µs/MiB", "core busy", "broker ÷ it: MiB/s", "MiB per CPU s")
    rows = (
        (
            label(peer),
            figure(rounds, peer, "rate").text(0),
            figure(rounds, peer, "cpu_us").text(0),
            f"{100 * figure(rounds, peer, 'busy').median:.0f} %",
            _against(rounds, peer, rate_ratio),
            _against(rounds, peer, efficiency_ratio),
        )
        for peer in rounds[0]
    )
    return markdown(heads, rows)


def _latency(rounds: list[Round]) -> str:
    heads = (
        "",
        "p50 µs",
        "p99 µs",
        "added p50 µs",
        "added p99 µs",
        "rounds: added p99 µs",
        "CPU µs/call",
        "broker ÷ it: added p99",
    )
    rows = (
        (
            label(peer),
            f"{pooled_quantile(rounds, peer, 0.5):,.0f}",
            f"{pooled_quantile(rounds, peer, 0.99):,.0f}",
            *_added(rounds, peer),
        )
        for peer in rounds[0]
    )
    return markdown(heads, rows)


def _added(rounds: list[Round], peer: str) -> tuple[str, ...]:
    if peer == "direct":
        return ("", "", "", "", "")
    each = spread(added(one, peer, "p99_us") for one in rounds)
    ours = pooled_added(rounds, "broker", 0.99) if "broker" in rounds[0] else 0.0
    theirs = pooled_added(rounds, peer, 0.99)
    return (
        f"{pooled_added(rounds, peer, 0.5):,.0f}",
        f"{theirs:,.0f}",
        each.text(0),
        figure(rounds, peer, "cpu_us").text(0),
        f"{ours / theirs:.2f}" if ours and peer != "broker" else "",
    )


def _memory(rounds: list[Round]) -> str:
    heads = ("", "at rest: RSS MiB", "PSS MiB", "1,000 idle: RSS MiB", "PSS MiB", "KiB a connection (PSS)", "(RSS)")
    rows = (
        (
            label(peer),
            *(
                f"{figure(rounds, peer, key).median / 1024:.1f}"
                for key in ("rest_rss", "rest_pss", "full_rss", "full_pss")
            ),
            figure(rounds, peer, "per_connection").text(1),
            figure(rounds, peer, "per_connection_rss").text(1),
        )
        for peer in rounds[0]
    )
    return markdown(heads, rows)


def _routes(rounds: list[Round]) -> str:
    heads = ("CPU µs a call", "10 routes", f"{rounds[0]['many']['routes']:,} routes", "ratio")
    rows = []
    for which, text in (("one", "one route is called"), ("all", "all routes are called in turn")):
        few, many = (spread(each[peer][which]["cpu_us"] for each in rounds) for peer in ("few", "many"))
        rows.append((text, few.text(1), many.text(1), routes_ratio(rounds, which).text(3)))
    return markdown(heads, rows)


def _growth(rounds: list[Round]) -> str:
    heads = ("direction", "MiB", "MiB/s", "RSS before, MiB", "growth at the peak, MiB")
    rows = (
        (direction, *(f"{each[key]:,.1f}" for key in ("mib", "rate", "before_mib", "growth_mib")))
        for direction, each in rounds[0].items()
    )
    return markdown(heads, rows)


RENDERERS: dict[str, Callable[[list[Round]], str]] = {
    "calls": _calls,
    "bodies": _bodies,
    "latency": _latency,
    "memory": _memory,
    "routes": _routes,
    "growth": _growth,
}
