"""A secret shows itself only to who asks for it by name."""

import copy
import dataclasses
import json
import pickle
import pprint
import reprlib
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.secret import Secret

VALUE = b"hunter2-hunter2"


def test_no_way_of_printing_shows_it() -> None:
    secret = Secret(VALUE)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        "%s" % secret,  # noqa: UP031
        repr([secret]),
        repr(dir(secret)),
    ]
    assert not [text for text in shown if "hunter2" in text]


def test_it_is_neither_pickled_nor_copied() -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(Secret(VALUE))


def test_who_asks_by_name_gets_it() -> None:
    assert Secret(VALUE).reveal() == VALUE


def test_it_has_no_attributes_to_list() -> None:
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


@dataclasses.dataclass
class Holder:
    secret: Secret


@given(st.binary(min_size=6, max_size=40).filter(lambda value: not set(value) <= set(b"Secret(*)")))
def test_nothing_that_shows_objects_shows_it(value: bytes) -> None:
    secret = Secret(value)
    texts = [repr(secret), str(secret), f"{secret:>50}", pprint.pformat([secret]), repr(Holder(secret))]
    try:
        raise ValueError(secret)
    except ValueError as error:
        texts += traceback.TracebackException.from_exception(error, capture_locals=False).format()
        texts.append(reprlib.repr(error))
    for text in texts:
        assert repr(value)[2:-1] not in text
        assert value.hex() not in text
    with pytest.raises(TypeError):
        dataclasses.asdict(Holder(secret))


@pytest.mark.parametrize("attempt", [json.dumps, vars, Secret.__getstate__, bytes, iter, len, hash, sorted, set])
def test_it_is_not_taken_apart(attempt: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as caught:
        attempt([Secret(VALUE), Secret(VALUE)] if attempt in (sorted, set) else Secret(VALUE))
    assert "hunter2" not in str(caught.value)


@given(st.binary(), st.binary())
def test_secrets_are_equal_when_their_bytes_are(one: bytes, other: bytes) -> None:
    assert Secret(one) == Secret(one)
    assert (Secret(one) == Secret(other)) is (one == other)
    assert (Secret(one) != Secret(other)) is (one != other)
    assert Secret(one) != one
