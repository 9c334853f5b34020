"""How late an event loop comes to what is due, seen from inside it."""

import array
import asyncio
import ctypes
import os
import time
from pathlib import Path

PERIOD = 0.002
_MONOTONIC, _NONBLOCK = 1, os.O_NONBLOCK


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Timer(ctypes.Structure):
    _fields_ = [("interval", _Timespec), ("value", _Timespec)]


class Probe:
    """Every 2 ms something is due; how late the loop came to it is kept, with the time.

    Where the loop came so late that more was due, all of it counts: as it would for calls that arrive at a constant
    rate. The kernel keeps the time (timerfd), for loops round theirs to milliseconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._timer = libc.timerfd_create(_MONOTONIC, _NONBLOCK)
        period = _Timespec(0, int(PERIOD * 1e9))
        self._due = time.monotonic() + PERIOD
        self._spent = time.process_time()
        libc.timerfd_settime(self._timer, 0, ctypes.byref(_Timer(period, period)), None)
        self._samples = array.array("d")
        loop.add_reader(self._timer, self._tick)

    def _tick(self) -> None:
        expired = int.from_bytes(os.read(self._timer, 8), "little")
        now, spent = time.monotonic(), time.process_time()
        worked = spent - self._spent
        for _ in range(expired):
            late = max(0.0, now - self._due)
            self._samples.extend((self._due, late, min(late, worked)))
            self._due += PERIOD
        self._spent = spent

    def save(self, path: Path) -> None:
        """Writes three doubles for each: when it was due, how late it was, and how much of that the process worked."""
        path.write_bytes(self._samples.tobytes())


def read(path: Path, begin: float, end: float) -> tuple[list[float], list[float]]:
    """Of what was due between two moments: how late it was, and by the process's own work; each in order of size."""
    samples = array.array("d")
    samples.frombytes(path.read_bytes())
    chosen = [at for at in range(0, len(samples), 3) if begin <= samples[at] < end]
    return sorted(samples[at + 1] for at in chosen), sorted(samples[at + 2] for at in chosen)
