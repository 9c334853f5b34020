"""Child processes pinned to a core, known to be up, and always ended."""

import contextlib
import functools
import os
import resource
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent
STOPS_WITHIN = 8.0


class DidNotStartError(RuntimeError):
    """A process ended, or did not listen in time; the message ends with what it wrote."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _settle_in(core: int) -> None:
    """Runs in the child: one core, and as many file descriptors as the machine allows."""
    os.sched_setaffinity(0, {core})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Pinned:
    """A process on one core, with its output in a file. Use as a context manager."""

    def __init__(
        self, argv: Sequence[str | Path], core: int, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                argv,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                preexec_fn=functools.partial(_settle_in, core),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the process that was started; its children are found by `tree`."""
        return self._process.pid

    def wait_for_port(self, port: int, seconds: float = 20) -> None:
        """Returns when `port` accepts connections."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.05)
        raise DidNotStartError(f"nothing listens on port {port}: {self.tail()}")

    def tail(self) -> str:
        """The end of what the process wrote."""
        return self.log.read_text(errors="replace")[-2000:]

    def tree(self) -> list[int]:
        """This process and its descendants."""
        found = [self.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += [int(child) for child in children.read_text().split()]
        return found

    def waited(self) -> float:
        """Seconds that the tree's threads were ready to run while something else had their core."""
        total = 0
        for pid in self.tree():
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(task.read_text().split()[1])
        return total / 1e9

    def stop(self) -> None:
        """Asks it to end, then makes it."""
        self._process.terminate()
        try:
            self._process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            for pid in reversed(self.tree()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
            self._process.wait()
