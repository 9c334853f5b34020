"""Faults of pydantic, in the words and places of the file."""

from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from broker.config.faults import Loc, Problem, did_you_mean
from broker.config.model import Config
from broker.config.routes import WHO

_MESSAGES: Final = {
    "bool_type": "expected true or false",
    "date_type": "expected a date such as 2027-06-30",
    "date_from_datetime_parsing": "expected a date such as 2027-06-30",
    "dict_type": "expected a mapping",
    "int_type": "expected a whole number",
    "list_type": "expected a list",
    "model_attributes_type": "expected a mapping",
    "model_type": "expected a mapping",
    "string_type": "expected text; put numbers, dates and words such as yes and no in quotes",
    "string_pattern_mismatch": "expected a name of letters, digits, dots, hyphens and underscores",
    "too_short": "is empty",
    "union_tag_not_found": "needs a `type`",
}
_UNSEEN: Final = ("[key]", "[one]", "[several]")
"""Parts of a place that only pydantic sees."""


def problems_of(error: ValidationError, at: Loc = ()) -> list[Problem]:
    """One problem for each error; `at` is where the validated value stands in the file."""
    items = error.errors(include_url=False, include_input=False)
    return [_problem({**item, "loc": (*at, *item["loc"])}) for item in items]


def _problem(item: dict[str, Any]) -> Problem:
    loc, models = _follow(item["loc"])
    kind = item["type"]
    if kind == "union_tag_invalid":
        return Problem((*loc, "type"), f"unknown type; expected one of {_names(item)}")
    if kind == "extra_forbidden":
        return Problem(loc, "unknown key" + did_you_mean(str(loc[-1]), _fields(models)))
    if kind == "missing":
        return Problem(loc, f"required; {WHO}" if loc[0] == "routes" and loc[-1] == "callers" else "required")
    return Problem(loc, _message(item))


def _message(item: dict[str, Any]) -> str:
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    if item["type"] == "literal_error":
        return f"expected {item['ctx']['expected'].replace(chr(39), '')}"
    return _MESSAGES.get(item["type"]) or item["msg"].replace("Input should be", "expected")


def _names(item: dict[str, Any]) -> str:
    return str(item["ctx"]["expected_tags"]).replace("'", "")


def _follow(loc: Loc) -> tuple[Loc, list[type[BaseModel]]]:
    """`loc` without what only pydantic sees (`[key]`, tags of unions), and the models that its last key is in."""
    here: list[Any] = [Config]
    owners: list[type[BaseModel]] = []
    place: list[str | int] = []
    for part in loc:
        owners = [item for item in here if get_origin(item) is None]
        tagged = [model for model in owners if part in _tags(model)]
        if tagged:
            here = tagged
        elif part not in _UNSEEN:
            here = _below(here, part)
            place.append(part)
    return tuple(place), owners


def _below(here: list[Any], part: str | int) -> list[Any]:
    """What the annotations in `here` say about their key or item `part`."""
    below: list[Any] = []
    for item in here:
        if get_origin(item) in (dict, list):
            below += _members(get_args(item)[-1])
        elif get_origin(item) is None and part in item.model_fields:
            below += _members(item.model_fields[str(part)].annotation)
    return below


def _members(annotation: Any) -> list[Any]:
    """The models, mappings and lists among the alternatives of an annotation."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [member for each in get_args(annotation) for member in _members(each)]
    is_model = isinstance(annotation, type) and origin is None and issubclass(annotation, BaseModel)
    return [annotation] if is_model or origin in (dict, list) else []


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    kind = model.model_fields.get("type")
    return get_args(kind.annotation) if kind else ()


def _fields(models: Iterable[type[BaseModel]]) -> list[str]:
    return sorted({name for model in models for name in model.model_fields})
