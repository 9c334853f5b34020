"""YAML nodes to plain data, with a fault for everything that YAML allows and this format does not."""

from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor

from broker.config.faults import Loc

_TAG: Final = "tag:yaml.org,2002:"
_TEXT: Final = frozenset({_TAG + "str", _TAG + "value"})
_SCALARS: Final = frozenset(_TAG + name for name in ("bool", "int", "float", "null", "timestamp"))
_MERGE: Final = _TAG + "merge"
MAX_REPEATED: Final = 100_000

NodeFault = tuple[Loc, int, str]
"""Place, line (from 1) and message."""
_BOOL: Final = "tag:yaml.org,2002:bool"


class Reader:
    """Turns one tree of nodes into data once, collecting faults on the way."""

    def __init__(self) -> None:
        self.faults: list[NodeFault] = []
        self._scalars = SafeConstructor()
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._repeated = 0

    @property
    def exhausted(self) -> bool:
        """Whether aliases repeat more than is read; the data is then not whole."""
        return self._repeated > MAX_REPEATED

    def read(self, node: yaml.Node, loc: Loc = ()) -> Any:
        """The data of `node`; what is at fault becomes None."""
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.tag in _TEXT else self._scalar(node, loc)
        if not self._enter(node, loc):
            return None
        value = self._mapping(node, loc) if isinstance(node, yaml.MappingNode) else self._list(node, loc)
        self._open.discard(id(node))
        return value

    def _enter(self, node: yaml.Node, loc: Loc) -> bool:
        if id(node) in self._open:
            return self._fault(loc, node, "an alias refers to what it is part of")
        if id(node) in self._seen and not self._may_repeat(node, loc):
            return False
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            return self._fault(loc, node, "YAML tags are not supported")
        self._seen.add(id(node))
        self._open.add(id(node))
        return True

    def _may_repeat(self, node: yaml.Node, loc: Loc) -> bool:
        # Aliases of aliases multiply: a few lines could fill the memory.
        before, self._repeated = self._repeated, self._repeated + 1 + len(node.value)
        if before <= MAX_REPEATED < self._repeated:
            self._fault(loc, node, "aliases repeat too much of the file")
        return not self.exhausted

    def _list(self, node: yaml.Node, loc: Loc) -> list[Any]:
        return [self.read(child, (*loc, index)) for index, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                merged = {**self._merge(value, loc), **merged}
            elif not isinstance(key, yaml.ScalarNode) or not _is_text(key):
                self._fault(loc, key, "keys must be text; put this one in quotes")
            elif key.value in own:
                self._fault((*loc, key.value), key, "this key is there twice")
            else:
                own[key.value] = self.read(value, (*loc, key.value))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, loc: Loc) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in sources:
            data = self.read(source, loc) if isinstance(source, yaml.MappingNode) else None
            if data is None:
                self._fault(loc, node, "<< takes an alias of a mapping, or a list of them")
            else:
                result = {**data, **result}
        return result

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        if node.tag not in _SCALARS:
            self._fault(loc, node, "YAML tags are not supported")
            return None
        try:
            return self._scalars.construct_object(node)
        except (ValueError, KeyError, OverflowError, yaml.YAMLError):
            self._fault(loc, node, "this value is no valid number or date; put text in quotes")
            return None
        finally:
            self._scalars.constructed_objects.clear()

    def _fault(self, loc: Loc, node: yaml.Node, message: str) -> bool:
        self.faults.append((loc, node.start_mark.line + 1, message))
        return False


def line_of(root: yaml.Node, loc: Loc) -> int:
    """The line (from 1) of the key or item at `loc`, or of the nearest parent that is there."""
    node, line = root, root.start_mark.line + 1
    for part in loc:
        step = _step(node, part)
        if step is None:
            break
        mark, node = step
        line = mark.start_mark.line + 1
    return line


def _step(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in _pairs(node) if key.value == part), None)
    return None


def _pairs(node: yaml.MappingNode, depth: int = 0) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    yield from (pair for pair in node.value if pair[0].tag != _MERGE)
    if depth > 8:
        return
    for key, value in node.value:
        if key.tag == _MERGE:
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(source, yaml.MappingNode):
                    yield from _pairs(source, depth + 1)


def _is_text(key: yaml.ScalarNode) -> bool:
    """Whether a key is text. YAML 1.1 reads a bare `on`, as in `retry: {on: …}`, as true; as a key it means itself."""
    return key.tag in _TEXT or (key.tag == _BOOL and key.value in ("on", "off"))
