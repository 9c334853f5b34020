"""What is measured, one family of cases a file."""

from bench.cases import growth, idle, latency, routes, throughput
from bench.cases.case import QUICK, Case, Effort, Figures, Round

CASES: dict[str, Case] = {
    case.name: case for case in (*throughput.CASES, *latency.CASES, *idle.CASES, *routes.CASES, *growth.CASES)
}
"""All cases by name, in the order of a run."""

__all__ = ["CASES", "QUICK", "Case", "Effort", "Figures", "Round"]
