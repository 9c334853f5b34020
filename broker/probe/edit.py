"""An upstream added to routes.yaml: text is inserted and nothing else touched, or nothing is done at all."""

import os
import stat
import tempfile
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from broker.config.load import ConfigError, load
from broker.probe.candidate import Candidate

_STEP: Final = 2


class CannotEdit(Exception):
    """The file cannot be changed safely; the text says why."""


def unique(name: str, taken: set[str]) -> str:
    """The name, or the name with the first free number."""
    if name not in taken:
        return name
    return next(f"{name}-{number}" for number in range(2, len(taken) + 3) if f"{name}-{number}" not in taken)


def names_in(path: Path) -> set[str]:
    """The upstreams that the file has; raises `CannotEdit`."""
    found = _values(_read(path)).get("upstreams")
    return {str(name) for name in found} if isinstance(found, dict) else set()


def add(path: Path, name: str, candidate: Candidate, today: date) -> None:
    """Insert the upstream and replace the file in one step, mode kept; raises `CannotEdit`."""
    real = path.resolve()
    before = _read(real)
    after = inserted(before, name, candidate, today)
    _compare(before, after, name)
    _replace(real, after)


def inserted(text: str, name: str, candidate: Candidate, today: date) -> str:
    """The text with the upstream in it; raises `CannotEdit`."""
    root = _compose(text)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise CannotEdit("it is not written as a mapping of lines at its top: add the block by hand")
    pair = next(((key, value) for key, value in root.value if key.value == "upstreams"), None)
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    block = _block(name, candidate, today, _STEP)
    if pair is None:
        at = _before_end_marker(lines)
        return _put(_closed(lines, at - 1, end), at, ["upstreams:", *block], end)
    key, value = pair
    _refuse_indirection(text, key, value)
    if not isinstance(value, yaml.MappingNode):
        if value.value not in ("", "~", "null"):
            raise CannotEdit("`upstreams` is no mapping: add the block by hand")
        return _under_empty(text, key, value, block, end)
    if not value.value:
        return _under_empty(text, key, value, block, end)
    if value.flow_style:
        raise CannotEdit("`upstreams` is written in braces: add the block by hand, or write it as lines")
    last = _last_line(value)
    column = value.value[0][0].start_mark.column
    return _put(_closed(lines, last, end), last + 1, _block(name, candidate, today, column), end)


def _refuse_indirection(text: str, key: yaml.Node, value: yaml.Node) -> None:
    between = text[key.end_mark.index : value.start_mark.index]
    if value.start_mark.index < key.end_mark.index or between.lstrip(" :\t").startswith(("&", "*", "!")):
        raise CannotEdit("`upstreams` is an alias, or has an anchor or a tag: add the block by hand")


def _block(name: str, candidate: Candidate, today: date, indent: int) -> list[str]:
    step = " " * (indent if indent in (2, 3, 4, 8) else _STEP)
    return [" " * indent + line for line in candidate.lines(name, today, step)]


def _put(lines: list[str], at: int, block: list[str], end: str) -> str:
    return "".join([*lines[:at], *(f"{line}{end}" for line in block), *lines[at:]])


def _closed(lines: list[str], index: int, end: str) -> list[str]:
    """The line at `index` ends as a line does."""
    if lines and not lines[index].endswith(("\n", "\r")):
        lines = [*lines[:index], lines[index] + end, *lines[index + 1 :]]
    return lines


def _before_end_marker(lines: list[str]) -> int:
    for index, line in enumerate(lines):
        if line.rstrip() == "...":
            return index
    return len(lines)


def _under_empty(text: str, key: yaml.Node, value: yaml.Node, block: list[str], end: str) -> str:
    """`upstreams:` with nothing, `{}` or `null` behind it."""
    row = key.start_mark.line
    if value.end_mark.index > value.start_mark.index:
        if value.start_mark.line != row or value.end_mark.line != row:
            raise CannotEdit("`upstreams` is empty in a way that goes over several lines: add the block by hand")
        text = text[: value.start_mark.index].rstrip(" \t") + text[value.end_mark.index :]
    return _put(_closed(text.splitlines(keepends=True), row, end), row + 1, block, end)


def _last_line(mapping: yaml.MappingNode) -> int:
    """The line on which the last entry's last value ends; an alias ends where its own key does."""
    name, value = mapping.value[-1]
    if value.start_mark.index < name.end_mark.index:
        return int(name.end_mark.line)
    if isinstance(value, yaml.SequenceNode) and not value.flow_style and value.value:
        value = value.value[-1]
    if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
        return _last_line(value)
    return _end_of(value)


def _end_of(node: yaml.Node) -> int:
    mark = node.end_mark
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        raise CannotEdit("the last upstream ends with a block of text: add the block by hand")
    return int(mark.line)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise CannotEdit(f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CannotEdit("it is not UTF-8") from None


def _compose(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        raise CannotEdit("it is not valid YAML, or more than one document") from None


def _values(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise CannotEdit("it is not valid YAML, or more than one document") from None
    return found if isinstance(found, dict) else {}


def _compare(before: str, after: str, name: str) -> None:
    """Everything that was there is there still, and the new entry with it."""
    old, new = _values(before), _values(after)
    upstreams = new.get("upstreams")
    if not isinstance(upstreams, dict) or name not in upstreams:
        raise CannotEdit("the block would not end up under `upstreams`: add it by hand")
    kept = {key: value for key, value in upstreams.items() if key != name}
    rest = {key: value for key, value in new.items() if key != "upstreams"}
    if kept != (old.get("upstreams") or {}) or rest != {key: old[key] for key in old if key != "upstreams"}:
        raise CannotEdit("something else would change with it: add the block by hand")


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(stat.S_IMODE(path.stat().st_mode))
        load(draft)
        draft.replace(path)
    except ConfigError as error:
        raise CannotEdit("with the new upstream it is not valid:\n" + str(error).replace(name, str(path))) from None
    except OSError as error:
        raise CannotEdit(f"it cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
