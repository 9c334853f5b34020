"""The application log: one JSON object a line on standard error, secrets masked."""

import json
import logging
import sys
import threading
import time
from types import TracebackType
from typing import Any, Final, TextIO

from broker.observe.redact import Redactor

log = logging.getLogger(__name__)

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; `extra` fields become members."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": self._time(record),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.name),
            "message": record.getMessage(),
        }
        entry.update({k: v for k, v in vars(record).items() if k not in _STANDARD and k != "event"})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = record.stack_info
        return json.dumps(self._masked(entry))

    def _masked(self, value: Any) -> Any:
        """Text is masked before it becomes JSON: a secret of digits would break a number."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, dict):
            return {self._redactor.redact(str(key)): self._masked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._masked(item) for item in value]
        return self._redactor.redact(str(value))

    @staticmethod
    def _time(record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{stamp}.{int(record.msecs):03d}Z"


def set_up_logging(level: str, redactor: Redactor) -> None:
    """Send every logger of the process to standard error, as JSON."""
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # What nobody caught would print itself as it is, with every value that its text repeats.
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    logging.captureWarnings(capture=True)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; of one that cannot be written it says where it comes from, and not what is in it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of the base class
        if self.stream and not self.stream.closed:
            where = f"{record.name}:{record.lineno}"
            self.stream.write(json.dumps({"level": "error", "event": "log_failed", "message": where}) + "\n")


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt | SystemExit):
        log.critical("an error that nobody caught", extra={"event": "uncaught"}, exc_info=(kind, error, trace))
