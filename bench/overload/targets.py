"""What the broker has to reach, and whether a run reached it."""

from typing import Any

from bench.overload.scenario import WAYS, Scenario
from bench.targets import Verdict

GOODPUT, SUCCESS = 0.9, 0.99
REFUSALS = ("429", "503")

Results = dict[str, Any]
"""`scenario`, `ways` by name, `machine`, `versions`."""


def judge(results: Results) -> list[Verdict]:
    """Every way through the broker has to reach each target."""
    capacity = Scenario(**results["scenario"]).capacity
    found = [results["ways"][way.name] for way in WAYS if way.broker and way.judged and way.name in results["ways"]]
    if not found:
        return []
    goodput = [each["goodput"] / capacity for each in found]
    success = [each["priorities"]["high"]["success"] for each in found]
    honest = [(_honest(each), sum(each["refused"].values())) for each in found]
    return [
        Verdict("goodput ≥ 90 % of the capacity", _percent(goodput), min(goodput) >= GOODPUT),
        Verdict("calls of high priority that succeed ≥ 99 %", _percent(success), min(success) >= SUCCESS),
        Verdict(
            "every refusal is a 429 or 503 with `Retry-After`",
            "; ".join(f"{good:,} of {every:,}" for good, every in honest),
            all(good == every for good, every in honest),
        ),
    ]


def _honest(figures: dict[str, Any]) -> int:
    return sum(figures["with_retry_after"].get(status, 0) for status in REFUSALS)


def _percent(shares: list[float]) -> str:
    return "; ".join(f"{100 * share:.1f} %" for share in shares)
