"""Where the broker's time goes in the keep-alive case.

Two views: `perf` (where it is installed) samples an undisturbed process and tells kernel, OpenSSL, interpreter and
event loop apart; cProfile counts inside Python, at a price that makes small functions look larger than they are.
"""

import dataclasses
import pstats
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.lab import Lab, open_lab
from bench.peers import PEERS, Command, Peer, Setup
from bench.process import ROOT
from bench.tables import markdown

LOAD = {"connections": 32, "seconds": 5, "warmup": 1}
LINES = 25


def profile(out: Path) -> None:
    """Prints both views and keeps them in `out`/profile.md."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, open_lab(Path(directory)) as lab:
        parts = ["### By shared object (perf)", _sampled(lab), *_counted(lab, out / "profile.pstats")]
    text = "\n\n".join(parts)
    (out / "profile.md").write_text(text + "\n")
    print(text)


def _sampled(lab: Lab) -> str:
    if not shutil.which("perf"):
        return "perf is not installed."
    data = lab.directory / "perf.data"
    with lab.start(PEERS["broker"]) as running:
        words = ["perf", "record", "-q", "-F", "997", "-o", str(data), "-p", str(running.process.pid)]
        recorder = subprocess.Popen([*words, "--", "sleep", str(LOAD["seconds"])], stderr=subprocess.DEVNULL)
        result = lab.load(running, LOAD)
        recorder.wait(30)
    command = ["perf", "report", "-q", "-i", str(data), "--stdio", "--no-children", "-g", "none"]
    tables = [_shares(_output([*command, "--sort", "dso"])), _shares(_output([*command, "--sort", "dso,symbol"]))]
    return "\n\n".join([f"{1e6 * result['cpu_seconds'] / result['requests']:.1f} CPU µs a call.", *tables])


def _shares(text: str) -> str:
    rows = [line.split(None, 1) for line in text.splitlines() if line.strip()[:1].isdigit()]
    return markdown(
        ("where", "share"),
        ((f"`{' '.join(rest.split()).removesuffix(' - -')}`", share) for share, rest in rows[:LINES]),
    )


def _output(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout


def _counted(lab: Lab, path: Path) -> list[str]:
    with lab.start(_under_cprofile(PEERS["broker"], path)) as running:
        result = lab.load(running, LOAD)
    if not path.exists():
        return [f"The profile was not written: {running.process.tail()}"]
    stats: dict[tuple[str, int, str], tuple[Any, ...]] = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    total = sum(entry[2] for entry in stats.values())
    note = f"{1e6 * result['cpu_seconds'] / result['requests']:.1f} CPU µs a call, with the profiler's own share."
    return ["### By module (cProfile)", note, _by_module(stats, total), "### By function", _by_function(stats, total)]


def _under_cprofile(peer: Peer, path: Path) -> Peer:
    def prepare(setup: Setup) -> Command:
        command = peer.prepare(setup)
        python, *rest = command.argv
        return Command([python, "-m", "cProfile", "-o", str(path), *rest], command.environment)

    return dataclasses.replace(peer, prepare=prepare)


def _by_module(stats: dict[tuple[str, int, str], tuple[Any, ...]], total: float) -> str:
    shares: dict[str, float] = defaultdict(float)
    for (file, _, name), entry in stats.items():
        shares[_module(file, name)] += entry[2]
    best = sorted(shares.items(), key=lambda item: -item[1])[:LINES]
    return markdown(("module", "own time"), ((f"`{name}`", f"{100 * own / total:.1f} %") for name, own in best))


def _by_function(stats: dict[tuple[str, int, str], tuple[Any, ...]], total: float) -> str:
    best = sorted(stats.items(), key=lambda item: -item[1][2])[:LINES]
    rows = (
        (f"`{_module(file, name)}:{line} {name}`", f"{entry[1]:,}", f"{100 * entry[2] / total:.1f} %")
        for (file, line, name), entry in best
    )
    return markdown(("function", "calls", "own time"), rows)


def _module(file: str, name: str) -> str:
    if file == "~":
        return "built in" if "uvloop" not in name else "uvloop"
    path = Path(file)
    if path.is_relative_to(ROOT / "broker"):
        return str(path.relative_to(ROOT))
    return "/".join(path.parts[-2:])
