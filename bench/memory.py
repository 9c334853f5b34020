"""Memory of a process tree, from /proc."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """In KiB. PSS counts a page that n processes share as one nth for each."""

    rss: float
    pss: float


def read_memory(pids: list[int]) -> Memory:
    """The sum over processes; those that just ended count as nothing."""
    rss = pss = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, *rest = line.split()
                rss += float(rest[0]) if name == "Rss:" else 0
                pss += float(rest[0]) if name == "Pss:" else 0
    return Memory(rss, pss)


def peak_rss(pids: list[int]) -> float:
    """The highest RSS of each process since its start, in KiB, summed up.

    It costs the processes nothing, while to sample a large one holds its core up for milliseconds.
    """
    peak = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peak += sum(float(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return peak


class PeakRss:
    """The highest RSS seen, in KiB, and the first."""

    first = 0.0
    peak = 0.0


@contextlib.contextmanager
def watch_rss(pids: Callable[[], list[int]], every: float = 0.02) -> Iterator[PeakRss]:
    """Samples the RSS of a tree while the block runs."""
    seen, stop = PeakRss(), threading.Event()
    seen.first = seen.peak = read_memory(pids()).rss

    def sample() -> None:
        while not stop.is_set():
            seen.peak = max(seen.peak, read_memory(pids()).rss)
            time.sleep(every)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield seen
    finally:
        stop.set()
        sampler.join()
