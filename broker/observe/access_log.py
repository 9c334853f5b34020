"""The access log: one JSON object a line for each call, on standard output, written in batches."""

import json
import sys
import time
from time import monotonic
from typing import TextIO

from broker.core.alarms import Alarm, AlarmWheel
from broker.core.exchange import Exchange
from broker.observe.redact import Redactor

_FLUSH_SECONDS = 0.25
_FLUSH_LINES = 512
_quote = json.encoder.encode_basestring_ascii


class AccessLog:
    """Collects lines and writes them together. A query string is never logged: keys travel in it."""

    def __init__(self, wheel: AlarmWheel, redactor: Redactor, out: TextIO | None = None) -> None:
        self._out = out if out is not None else sys.stdout
        self._wheel = wheel
        self._redact = redactor.redact
        self._lines: list[str] = []
        self._alarm = Alarm(self.flush)
        self._second = 0
        self._stamp = ""

    def write(self, exchange: Exchange, duration: float, aborted: bool) -> None:
        """Note a finished call; `duration` in seconds."""
        head, plan = exchange.head, exchange.plan
        path = self._redact(head.target.partition(b"?")[0].decode("utf-8", "replace"))
        upstream_ms = round(exchange.upstream_seconds * 1000, 2) if exchange.upstream_seconds >= 0 else "null"
        self._lines.append(
            f'{{"time":"{self._time()}","level":"info","event":"access"'
            f',"request_id":{_quote(self._redact(exchange.request_id))},"listener":{_quote(exchange.listener)}'
            f',"route":{_quote(plan.name) if plan else "null"},"caller":{_quote(exchange.caller)}'
            f',"method":"{head.method.decode("ascii", "replace")}","path":{_quote(path)}'
            f',"status":{exchange.status},"code":{_quote(exchange.code) if exchange.code else "null"}'
            f',"peer":"{exchange.caller_side.peer}","duration_ms":{duration * 1000:.2f}'
            f',"upstream":{_quote(plan.upstream.name) if plan else "null"},"upstream_ms":{upstream_ms}'
            f',"bytes_in":{exchange.body.size if exchange.body else 0},"bytes_out":{exchange.bytes_out}'
            f',"aborted":{"true" if aborted else "false"}'
            f',"replayed":{"true" if exchange.replayed else "false"}}}\n'
        )
        if len(self._lines) == 1:
            self._wheel.set(self._alarm, monotonic() + _FLUSH_SECONDS)
        elif len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what was collected. A broken pipe must not stop the broker."""
        lines, self._lines = self._lines, []
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except OSError:
            pass

    def _time(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"
