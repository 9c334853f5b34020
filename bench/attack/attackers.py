"""All attackers, a process of its own: `python -m bench.attack.attackers PORT COUNT RAMP`.

Prints `ready` when all have been connected once, attacks until its standard input ends, and prints one JSON object.
"""

import heapq
import json
import select
import ssl
import sys
from collections import Counter, defaultdict, deque
from time import monotonic, process_time
from typing import Any

from bench.attack.attacker import Attacker
from bench.attack.kinds import KINDS, MIX, Kind

ADDRESSES = 10
"""They come from so many addresses, 127.0.1.1 and on: fewer connections each than a broker allows one address."""
PAUSE = 1.0
"""Seconds before one that was cut off comes again."""


class Attack:
    """Keeps so many attackers connected, in the proportions of `MIX`."""

    def __init__(self, port: int, count: int, ramp: float) -> None:
        self._port, self._ramp = port, ramp
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._poll = select.epoll()
        self._poll.register(sys.stdin, select.EPOLLIN)
        self._there: dict[int, Attacker] = {}
        self._waiting: deque[tuple[float, int, Kind]] = deque((0.0, n, MIX[n % len(MIX)]) for n in range(count))
        self._turns: list[tuple[float, int, Attacker]] = []
        self._next = monotonic()
        self._first = count
        self._sequence = 0
        self.opened: Counter[str] = Counter()
        self.cuts: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)

    def run(self) -> None:
        """Until standard input ends."""
        while True:
            for fd, events in self._poll.poll(0.02):
                if fd == sys.stdin.fileno():
                    return
                if attacker := self._there.get(fd):
                    self._drive(attacker, events)
            self._connect()
            self._take_turns()

    def result(self) -> dict[str, Any]:
        """What became of them, by kind: how many were opened, are still there, and each that was cut: how, when."""
        alive = Counter(attacker.kind.name for attacker in self._there.values() if attacker.up)
        kinds = {
            kind.name: {"opened": self.opened[kind.name], "alive": alive[kind.name], "cuts": self.cuts[kind.name]}
            for kind in KINDS
        }
        return {"kinds": kinds, "cpu_seconds": process_time()}

    def _connect(self) -> None:
        while self._waiting and self._waiting[0][0] <= (now := monotonic()) and self._next <= now:
            _, number, kind = self._waiting.popleft()
            self._next = max(self._next + 1 / self._ramp, now - 0.1)
            source = f"127.0.1.{1 + number // len(MIX) % ADDRESSES}"
            attacker = Attacker(number, kind, self._context, source, self._port)
            fd = attacker.socket.fileno()
            self._there[fd] = attacker
            self._poll.register(fd, attacker.wants)
            self.opened[kind.name] += 1
            self._later(attacker, now)
            self._first -= 1
            if self._first == 0:
                print("ready", flush=True)

    def _drive(self, attacker: Attacker, events: int) -> None:
        before = attacker.wants
        attacker.woken(events)
        self._see_to(attacker)
        if not attacker.over and attacker.wants != before:
            self._poll.modify(attacker.socket.fileno(), attacker.wants)

    def _see_to(self, attacker: Attacker) -> None:
        if attacker.over:
            self._end(attacker)

    def _take_turns(self) -> None:
        now = monotonic()
        while self._turns and self._turns[0][0] <= now:
            attacker = heapq.heappop(self._turns)[2]
            if not attacker.over:
                attacker.go_on()
                self._later(attacker, now)
                self._see_to(attacker)

    def _later(self, attacker: Attacker, now: float) -> None:
        self._sequence += 1
        heapq.heappush(self._turns, (now + attacker.kind.every, self._sequence, attacker))

    def _end(self, attacker: Attacker) -> None:
        now = monotonic()
        self.cuts[attacker.kind.name].append((attacker.cut, round(now - attacker.begun, 2)))
        fd = attacker.socket.fileno()
        self._poll.unregister(fd)
        del self._there[fd]
        attacker.socket.close()
        self._waiting.append((now + PAUSE, attacker.number, attacker.kind))


def main() -> None:
    """Entry point."""
    attack = Attack(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    attack.run()
    print(json.dumps(attack.result()))


if __name__ == "__main__":
    main()
