"""The broker as a process of its own."""

import http.client
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Self

_STOP_WITHIN = 40.0


class BrokerProcessError(Exception):
    """The broker did not become ready, or ended."""


class BrokerProcess:
    """`broker run`, from start to exit. Use it with `with`."""

    def __init__(self, config: Path, admin: tuple[str, int], *, command: Sequence[str] = ()) -> None:
        """Prepare; `command` replaces the broker of this Python."""
        self._command = [*(command or (sys.executable, "-m", "broker")), "run", "-c", str(config)]
        self._admin = admin
        self._lines: deque[str] = deque(maxlen=30)
        self.echo = False
        """Whether its output goes on to this process's; the latest lines are kept in any case."""

    def __enter__(self) -> Self:
        """Start, without waiting until it is ready."""
        # Apart from the terminal, so that Ctrl-C reaches this process alone, which then stops it once.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._pump = Thread(target=self._forward, daemon=True)
        self._pump.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, politely first."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pump.join()
        if self._process.stdout:
            self._process.stdout.close()

    @property
    def output(self) -> str:
        """The latest lines of its output."""
        return "".join(self._lines)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait_ready(self, timeout: float = 20.0) -> None:
        """Wait until it says that it is ready."""
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            if self.exit_code is not None:
                self._pump.join(1)
                raise BrokerProcessError(f"the broker exited with {self.exit_code}")
            if time.monotonic() > deadline:
                raise BrokerProcessError(f"the broker was not ready within {timeout:.0f} s")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(*self._admin, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _forward(self) -> None:
        for line in self._process.stdout or ():
            self._lines.append(line)
            if self.echo:
                print(line, end="", flush=True)
