"""routes.yaml from disk to a `Config`, or to every fault in it at once."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from broker.config.checks import FILE_CHECKS, PURE_CHECKS
from broker.config.collection import paused_collection
from broker.config.document import MAX_BYTES, compose
from broker.config.draft import Draft, draft_of, salvage
from broker.config.faults import ConfigError, Fault, Problem, render_path
from broker.config.model import Config
from broker.config.nodes import Reader, line_of
from broker.config.partial import rule
from broker.config.translate import problems_of

__all__ = ["ConfigError", "Fault", "check", "examine", "examine_text", "load", "parse_config", "place", "usable"]

Check = Callable[[Draft], Iterable[Problem]]
_ALL: Final[Sequence[Check]] = (*PURE_CHECKS, *FILE_CHECKS)


def load(path: Path) -> Config:
    """The configuration in the file at `path`; raises `ConfigError` with every error that forbids a start."""
    config, faults = examine(path)
    return usable(config, faults)


def check(path: Path, more: Sequence[Check] = ()) -> list[Fault]:
    """Every fault of the file at `path`, errors and warnings, in the order of lines; `more` as for `examine`."""
    return examine(path, more)[1]


def examine(path: Path, more: Sequence[Check] = ()) -> tuple[Config | None, list[Fault]]:
    """The configuration, None when it is not valid, and every fault: `load` and `check` in one reading.

    `more`: checks that need what the configuration knows nothing of, such as the TLS engines that are here.
    """
    try:
        with paused_collection():
            return _examine(_read(path), str(path), path.absolute().parent, (*_ALL, *more))
    except ConfigError as error:
        return None, error.faults


def parse_config(text: str, file: str = "routes.yaml", base: Path = Path()) -> Config:
    """The configuration in `text`, without a look at certificates; raises `ConfigError`.

    `file` is what faults call it; relative paths start at `base`.
    """
    return usable(*examine_text(text, file, base))


def examine_text(text: str, file: str = "routes.yaml", base: Path = Path()) -> tuple[Config | None, list[Fault]]:
    """Like `examine`, for text that is at hand; certificates are not looked at."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        with paused_collection():
            return _examine(data, file, base, PURE_CHECKS)
    except ConfigError as error:
        return None, error.faults


def usable(config: Config | None, faults: list[Fault]) -> Config:
    """What `examine` found, when the broker can start with it; raises `ConfigError` with the faults that forbid it."""
    errors = [fault for fault in faults if fault.severity == "error" and fault.blocking]
    if errors or config is None:
        raise ConfigError(errors)
    return config


def place(path: Path, problems: Iterable[Problem]) -> list[Fault]:
    """Problems that showed only when the configuration was put to work, each with its line in the file."""
    try:
        root: yaml.Node | None = compose(_read(path), str(path))
    except ConfigError:
        root = None
    return [
        _place(problem, root, str(path))
        if root is not None
        else Fault(str(path), 1, render_path(problem.loc), problem.message)
        for problem in problems
    ]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError([Fault(str(path), 1, "", f"cannot be read: {reason}")]) from None


def _examine(data: bytes, file: str, base: Path, checks: Sequence[Check]) -> tuple[Config | None, list[Fault]]:
    root = compose(data, file)
    reader = Reader()
    values = reader.read(root)
    faults = [Fault(file, line, render_path(loc), message) for loc, line, message in reader.faults]
    if reader.exhausted or not isinstance(values, dict):
        return None, faults or [Fault(file, 1, "", "expected a mapping that starts with `version: 1`")]
    config, draft, problems = _validate(values, {"base": base})
    problems += [problem for one in checks for problem in rule(one)(draft)]
    known = {fault.path for fault in faults}
    placed = [_place(problem, root, file) for problem in problems]
    faults += [fault for fault in placed if fault.path not in known]
    return config, sorted(faults, key=lambda fault: fault.line)


def _validate(values: dict[str, Any], context: dict[str, Any]) -> tuple[Config | None, Draft, list[Problem]]:
    try:
        config = Config.model_validate(values, context=context)
    except ValidationError as error:
        return None, salvage(values, context), problems_of(error)
    return config, draft_of(config), []


def _place(problem: Problem, root: yaml.Node, file: str) -> Fault:
    line = line_of(root, problem.loc)
    return Fault(file, line, render_path(problem.loc), problem.message, problem.severity, problem.blocking)
