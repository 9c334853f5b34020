"""From what client and service saw to figures."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.overload.client import HELD_BACK
from bench.overload.connection import GAVE_UP, RESET
from bench.overload.scenario import PRIORITIES, Scenario

NAMES = {RESET: "reset", GAVE_UP: "timeout", HELD_BACK: "held back"}
Call = Sequence[Any]
"""(due, priority, outcome, seconds, `Retry-After` or -1)."""


def figures(scenario: Scenario, seen: dict[str, Any], states: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares and latencies are of the calls that were due in the overload; goodput is of what was completed in it."""
    begin, end = scenario.before, scenario.before + scenario.during
    calls = [call for call in seen["calls"] if begin <= call[0] < end]
    good = [call for call in seen["calls"] if call[2] == 200]
    refused = [call for call in calls if call[2] not in (200, HELD_BACK)]
    states = [{**state, "at": state["at"] - seen["begin"]} for state in states]
    return {
        "goodput": sum(begin <= call[0] + call[3] < end for call in good) / scenario.during,
        "sent": sum(call[2] != HELD_BACK for call in calls) / scenario.during,
        "priorities": {
            name: _priority(scenario, [call for call in calls if call[1] == at]) for at, name in enumerate(PRIORITIES)
        },
        "refused": Counter(outcome_name(call[2]) for call in refused),
        "with_retry_after": Counter(outcome_name(call[2]) for call in refused if call[4] >= 1),
        "retry_after": Counter(str(call[4]) for call in refused if call[4] >= 1),
        "offered_each_second": _each_second(scenario, (call[0] for call in seen["calls"])),
        "good_each_second": [
            _each_second(scenario, (call[0] + call[3] for call in good if call[1] == at))
            for at in range(len(PRIORITIES))
        ],
        "service": _service(scenario, states),
        "client": {
            "late_p99": seen["late_p99"],
            "busy": seen["cpu_seconds"] / scenario.seconds,
            "connections": seen["connections"],
        },
    }


def outcome_name(outcome: int) -> str:
    """A status, or in words what came instead of one."""
    return NAMES.get(outcome, str(outcome))


def quantile(values: Sequence[float], share: float) -> float:
    """0.0 of none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0


def _priority(scenario: Scenario, calls: Sequence[Call]) -> dict[str, float]:
    seconds = [call[3] for call in calls if call[2] == 200]
    held = sum(call[2] == HELD_BACK for call in calls)
    return {
        "offered": len(calls) / scenario.during,
        "held_back": held / scenario.during,
        "good": len(seconds) / scenario.during,
        "success": len(seconds) / max(1, len(calls) - held),
        "p50": quantile(seconds, 0.5),
        "p99": quantile(seconds, 0.99),
    }


def _each_second(scenario: Scenario, times: Any) -> list[int]:
    counted = Counter(int(at) for at in times)
    return [counted[second] for second in range(int(scenario.seconds))]


def _service(scenario: Scenario, states: list[dict[str, Any]]) -> dict[str, Any]:
    """Its state in each second, and what it had done when the overload ended less what it had when that began."""
    each: list[list[dict[str, Any]]] = [[] for _ in range(int(scenario.seconds))]
    for state in states:
        if 0 <= state["at"] < len(each):
            each[int(state["at"])].append(state)
    overload = [state for state in states if scenario.before <= state["at"] < scenario.before + scenario.during]
    return {
        "most_each_second": [max((state["most"] for state in second), default=0) for second in each],
        "strain_each_second": [max((state["strain"] for state in second), default=0.0) for second in each],
        "most": max(state["most"] for state in overload),
        **{key: overload[-1][key] - overload[0][key] for key in ("done", "failed", "reset")},
        "well_after": _well_after(scenario, states),
    }


def _well_after(scenario: Scenario, states: list[dict[str, Any]]) -> float | None:
    """Seconds from the end of the overload until nothing beyond the places was under way; None where it always was."""
    end = scenario.before + scenario.during
    ill = [state["at"] for state in states if state["most"] > scenario.places and state["at"] < scenario.seconds]
    if not ill:
        return 0.0
    return None if ill[-1] > scenario.seconds - 0.5 else max(0.0, ill[-1] - end)
