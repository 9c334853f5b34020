"""A real Redis server on loopback, which can be killed, frozen and started again empty."""

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import redis

from broker.testing.legacy_tls.processes import free_port

_PATIENCE = 10.0


class RedisServer:
    """One `redis-server` that keeps nothing on disk; use it with `with`."""

    def __init__(
        self, program: str, directory: Path, *, password: str = "", tls: tuple[Path, Path] | None = None
    ) -> None:
        """`tls`: chain and key of its certificate; it speaks nothing else then."""
        self.port = free_port()
        self.log = directory / f"redis-{self.port}.log"
        self._password = password
        self._tls = tls
        self._directory = directory
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        assert self._process is None
        with self.log.open("ab") as output:
            command = [self._program, *self._options()]
            self._process = subprocess.Popen(command, cwd=self._directory, stdout=output, stderr=output)
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                raise AssertionError(self.log.read_text())
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It takes connections and answers nothing, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def client(self) -> "redis.Redis":
        """A client of its own; close it."""
        return redis.Redis("127.0.0.1", self.port, password=self._password or None, socket_timeout=5)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _options(self) -> Sequence[str]:
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self._directory)]
        if self._password:
            options += ["--requirepass", self._password]
        if self._tls is None:
            return [*options, "--port", str(self.port)]
        chain, key = map(str, self._tls)
        options += ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
        return [*options, "--tls-cert-file", chain, "--tls-key-file", key, "--tls-ca-cert-file", chain]

    def _answers(self) -> bool:
        if self._tls is not None:
            return "eady to accept connections" in self.log.read_text()
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
