"""What is wrong with a routes file, and where."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

Severity = Literal["error", "warning"]
Loc = tuple[str | int, ...]
"""Keys and indexes from the top of the file to a value."""

_PLAIN: Final = re.compile(r"[\w.-]+\Z")
_MANY: Final = 500


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, with its place; `line` counts from 1."""

    file: str
    line: int
    path: str
    message: str
    severity: Severity = "error"
    blocking: bool = True
    """Whether the broker refuses to start with it; a few errors show only in callers that this machine cannot ask."""

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        mark = "warning: " if self.severity == "warning" else ""
        return f"{self.file}:{self.line}: {place}{mark}{self.message}"

    def as_dict(self) -> dict[str, str | int]:
        """The fault as JSON has it."""
        return {key: value for key, value in asdict(self).items() if key != "blocking"}


class ConfigError(Exception):
    """A routes file that cannot be used; `str()` gives one line for each fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = list(faults)


@dataclass(frozen=True)
class Problem:
    """What a check finds, before anybody looks up the line."""

    loc: Loc
    message: str
    severity: Severity = "error"
    blocking: bool = True


def warning(loc: Loc, message: str) -> Problem:
    """A problem that does not keep the file from being used."""
    return Problem(loc, message, "warning")


def render_path(loc: Loc) -> str:
    """`listeners.fno.tls.certificates[0].key`; odd keys are quoted so that one fault stays one line."""
    return "".join(map(_step, loc)).removeprefix(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean fno?`, or nothing when no name is close (or there are too many to compare)."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1) if len(names) <= _MANY else []
    return f"; did you mean {close[0]}?" if close else ""


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN.match(part) else f"[{json.dumps(part)}]"
