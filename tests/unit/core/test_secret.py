"""A secret shows itself only to who asks for it by name."""

import copy
import pickle

import pytest

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
