"""What the broker has to reach, and whether a run reached it."""

from typing import Any

from bench.attack.figures import at_work, calls, failed, ratio
from bench.attack.scenario import ATTACK, CALLS, IDLE, Scenario
from bench.targets import Verdict

RATIO, AT_WORK = 2.0, 0.8

Results = dict[str, Any]
"""`scenario`, `proxies` by name, `machine`, `versions`."""


def scenario_of(results: Results) -> Scenario:
    """As it was run."""
    given = results["scenario"]
    return Scenario(**{**given, "windows": tuple(given["windows"])})


def judge(results: Results) -> list[Verdict]:
    """The broker alone is judged."""
    scenario, seen = scenario_of(results), results["proxies"]["broker"]
    verdicts = []
    for phase, words in ((IDLE, "beside idle connections"), (ATTACK, "under attack")):
        found = [ratio(seen, phase, kind) for kind in CALLS]
        text = "; ".join(f"{each:.2f} ×" for each in found)
        verdicts.append(Verdict(f"p99 {words} ≤ 2 × the unloaded p99", text, max(found) <= RATIO))
    lost = failed(seen)
    verdicts.append(Verdict("no call of the good caller fails", f"{lost:,} of {calls(seen) + lost:,}", not lost))
    share = at_work(seen) / scenario.attackers
    verdicts.append(Verdict("attackers at work at the end ≥ 80 %", f"{100 * share:.0f} %", share >= AT_WORK))
    return verdicts
