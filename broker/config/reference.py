"""The tables of docs/configuration.md, made from the model so that they cannot be out of date."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from broker.config.schema import json_schema

_HEAD: Final = ["| key | value | default | meaning |", "|---|---|---|---|"]
_START: Final = "<!-- keys: "
_END: Final = "<!-- end of keys -->"
_REF: Final = "#/$defs/"


def key_tables() -> str:
    """Markdown: one table for each mapping of the file, in the order in which they are met."""
    schema = json_schema()
    sections = [("routes.yaml", schema)]
    seen: set[str] = set()
    blocks: list[str] = []
    while sections:
        title, section = sections.pop(0)
        rows = _rows(section, schema["$defs"])
        blocks.append("\n".join([f"### {title}", "", _summary(section), "", *_HEAD, *rows]))
        fresh = [name for name in _references(section) if name not in seen]
        seen.update(fresh)
        sections = [(name, schema["$defs"][name]) for name in dict.fromkeys(fresh)] + sections
    return "\n\n".join(blocks) + "\n"


def _summary(section: dict[str, Any]) -> str:
    return " ".join(str(section["description"]).split())


def _rows(section: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    required = section.get("required", [])
    for key, field in section["properties"].items():
        default = "**required**" if key in required else _default(field)
        meaning = _meaning(field, known).replace("|", "\\|")
        yield f"| `{key}` | {_kind(field)} | {default} | {meaning} |"


def _meaning(field: dict[str, Any], known: dict[str, Any]) -> str:
    # The schema leaves out a description that its definition repeats word for word.
    target = known.get(field.get("$ref", "").removeprefix(_REF), {})
    return str(field.get("description") or target.get("description", ""))


def _default(field: dict[str, Any]) -> str:
    if "default" not in field or field["default"] is None:
        return ""
    value = field["default"]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return _link(field["$ref"])
    if "const" in field or "enum" in field:
        values = field.get("enum", [field.get("const")])
        # False is there for editors whose YAML reads a bare `off` so.
        return ", ".join(f"`{value}`" for value in values if value is not False)
    for key in ("anyOf", "oneOf"):
        if key in field:
            return " or ".join(dict.fromkeys(_kind(item) for item in field[key] if item.get("type") != "null"))
    return _plain(field)


def _plain(field: dict[str, Any]) -> str:
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}"
    if field["type"] == "object":
        values = field.get("additionalProperties") or next(iter(field["patternProperties"].values()))
        return f"mapping of name to {_kind(values)}"
    named = field.get("pattern", "")
    for word, sign in (("duration", "(ms|s|m|h)"), ("size", "KiB"), ("reference", "(env:"), ("share", "%$")):
        if sign in named:
            return word
    return {"string": "text", "integer": "number", "number": "number", "boolean": "true or false"}[field["type"]]


def _link(reference: str) -> str:
    name = reference.removeprefix(_REF)
    return f"[{name}](#{name.lower()})"


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].removeprefix(_REF)] if "$ref" in value else []
        return own + [name for key, item in value.items() if key != "$defs" for name in _references(item)]
    if isinstance(value, list):
        return [name for item in value for name in _references(item)]
    return []


def with_tables(document: str) -> str:
    """`document` with fresh tables between its two marks; raises `ValueError` when it has none."""
    head, start, rest = document.partition(_START)
    note, arrow, rest = rest.partition("-->\n")
    _, end, tail = rest.partition(_END)
    if not (start and arrow and end):
        raise ValueError("the document has no marks to put the tables between")
    return f"{head}{start}{note}{arrow}\n{key_tables()}\n{end}{tail}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
