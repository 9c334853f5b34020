"""Parts of a configuration with malformed keys: what is well-formed in them can be checked all the same.

A malformed key is neither absent nor what its default says: nobody knows what was meant. So it cannot be read, and a
`rule` that comes to it says nothing more. What the other rules find is true whatever the key was meant to say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, wraps
from types import NoneType
from typing import Any, Final, ParamSpec, TypeVar, get_args

from pydantic import Field, ValidationError, create_model

from broker.config.base import Model
from broker.config.faults import Problem

_P = ParamSpec("_P")
_M = TypeVar("_M", bound=Model)
_SHAPES: Final = 1000


class Unread(AttributeError):
    """What a key says is not known, since it is malformed."""


class Partial:
    """A part some of whose keys are malformed: to read them, or what is made of them, raises `Unread`."""

    def __getattr__(self, name: str) -> Any:
        raise Unread(name)


def knows(part: object, *keys: str) -> bool:
    """Whether these keys of a part can be read."""
    return all(hasattr(part, key) for key in keys)


def rule(check: Callable[_P, Iterable[Problem]]) -> Callable[_P, Iterator[Problem]]:
    """A check that ends where it comes to a malformed key: what it would say further on may not be true."""

    @wraps(check)
    def told(*args: _P.args, **kwargs: _P.kwargs) -> Iterator[Problem]:
        try:
            yield from check(*args, **kwargs)
        except Unread:
            return

    return told


def as_far_as_valid(kind: type[_M], data: object, context: Mapping[str, Any]) -> _M | None:
    """`data` as a `kind`, which is `Partial` where some of its keys are malformed; None where nothing can be said.

    A required key that is absent counts as malformed. A key that nobody knows may be any absent one, misspelt.
    """
    try:
        return kind.model_validate(data, context=dict(context))
    except ValidationError as error:
        places = [item["loc"] for item in error.errors(include_url=False, include_context=False, include_input=False)]
    if not isinstance(data, Mapping) or not all(places):
        return None
    return _partial(kind, data, {str(place[0]) for place in places}, context)


def _partial(kind: type[_M], data: Mapping[str, Any], faulty: set[str], context: Mapping[str, Any]) -> _M | None:
    fields = kind.model_fields.keys()
    unknown = (faulty & fields) | (fields - data.keys() if faulty - fields else set())
    rest = {key: value for key, value in data.items() if key in fields and key not in unknown}
    try:
        found: _M = _shape(kind, frozenset(unknown)).model_validate(rest, context=dict(context))
    except ValidationError:
        return None
    for key in unknown:
        # Written is written, whatever it says.
        found.model_fields_set.update(unknown & data.keys())
        below = _model_in(kind.model_fields[key].annotation)
        inner = as_far_as_valid(below, data[key], context) if below is not None and key in data else None
        if inner is None:
            del vars(found)[key]
        else:
            vars(found)[key] = inner
    return found


@lru_cache(_SHAPES)
def _shape(kind: type[Model], unknown: frozenset[str]) -> Any:
    """A class like `kind`, to which these keys are nothing."""
    nothing: dict[str, Any] = {key: (Any, Field(default=None, validate_default=False)) for key in sorted(unknown)}
    return create_model(kind.__name__, __base__=(Partial, kind), **nothing)


def _model_in(annotation: Any) -> type[Model] | None:
    """The class of a key that holds one mapping, or nothing."""
    kinds = [each for each in (annotation, *get_args(annotation)) if isinstance(each, type) and each is not NoneType]
    return kinds[0] if len(kinds) == 1 and issubclass(kinds[0], Model) else None
