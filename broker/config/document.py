"""Bytes of a routes file to YAML nodes, which know their lines."""

import re
from typing import Final

import yaml

from broker.config.faults import ConfigError, Fault

MAX_BYTES: Final = 32 << 20
_MAX_DEPTH: Final = 60
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_QUOTED: Final = re.compile(r"\s*(['\"])(?!<)(?:(?!\1).){2,}\1")


def compose(data: bytes, file: str) -> yaml.Node:
    """The root node of the only document in `data`; raises `ConfigError`."""
    text = _decode(data, file)
    try:
        _refuse_depth(text, file)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = min(_line(error), text.count("\n") + 1)
        raise _fault(file, line, _problem(error)) from None
    except yaml.YAMLError as error:
        line = _line_of_reader(error, data)
        raise _fault(file, line, "control characters are not allowed in YAML") from None
    if root is None:
        raise _fault(file, 1, "the file is empty")
    return root


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise _fault(file, 1, f"the file is larger than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault(file, data.count(b"\n", 0, error.start) + 1, "the file is not UTF-8") from None


def _refuse_depth(text: str, file: str) -> None:
    # The composer recurses in C, where too much depth ends the process instead of raising.
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent) and event.start_mark is not None:
            depth += 1
            if depth > _MAX_DEPTH:
                raise _fault(file, event.start_mark.line + 1, "mappings and lists are nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return int(getattr(mark, "line", 0)) + 1


def _problem(error: yaml.MarkedYAMLError) -> str:
    # Names in quotes come from the file, where a stray * or ! may stand before a secret.
    said = " ".join(part for part in (error.context, error.problem) if part)
    return "not valid YAML: " + " ".join(_QUOTED.sub("", said).split())


def _line_of_reader(error: yaml.YAMLError, data: bytes) -> int:
    position = getattr(error, "position", 0)
    return data.count(b"\n", 0, position if isinstance(position, int) else 0) + 1


def _fault(file: str, line: int, message: str) -> ConfigError:
    return ConfigError([Fault(file, line, "", message)])
