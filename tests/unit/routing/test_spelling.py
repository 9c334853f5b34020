"""A path that another reader would take to another route is refused, and no other is."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import BrokerError
from broker.core.heads import RequestHead
from broker.routing.conditions import Conditions
from broker.routing.spelling import other_readings, plainly
from broker.routing.table import RouteTable, Rule

PATHS = st.lists(st.sampled_from([b"/", b".", b"%2f", b"%2E", b"%5C", b"\\", b";x", b"a", b"%61", b"%", b"%3b"])).map(
    lambda parts: b"/" + b"".join(parts)
)


def led(target: bytes, *paths: str) -> object:
    """The path of the route that takes a target, or the code of the refusal."""
    table = RouteTable(Rule(None, path.encode(), Conditions(), path) for path in paths)  # type: ignore[arg-type]
    head = RequestHead(b"GET", target, http10=False, lines=[])
    try:
        return table.match(SimpleNamespace(head=head))  # type: ignore[arg-type]
    except BrokerError as error:
        return error.code


@pytest.mark.parametrize(
    "target",
    [
        b"/app/%61dmin/x",
        b"/app//admin/x",
        b"/app/./admin/x",
        b"/app/%2e/admin/x",
        b"/app/admin%2fx",
        b"/app/admin%2F",
        b"/app/admin\\x",
        b"/app/admin%5cx",
        b"/app/admin;v=1/x",
        b"/app/;v=1/admin/x",
        b"//app/admin/x",
        b"/app/exac%74",
        b"/app/./exact?y",
    ],
)
def test_a_disguised_path_does_not_pass_for_the_shorter_prefix(target: bytes) -> None:
    assert led(target, "/", "/app/", "/app/admin/", "/app/exact") == "bad_request"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/app/admin/x", "/app/admin/"),
        (b"/app/admin/%78//y/.", "/app/admin/"),
        (b"/app/a%20b;c=1//d", "/app/"),
        (b"/app/x?next=/app//admin/", "/app/"),
        (b"/app/.admin/x", "/app/"),
        (b"/app/%2561dmin/x", "/app/"),
        (b"*", "no_route"),
    ],
)
def test_other_paths_take_their_routes_as_they_came(target: bytes, path: str) -> None:
    assert led(target, "/app/", "/app/admin/") == path


def test_routes_may_be_written_as_the_service_spells_them() -> None:
    assert led(b"/a%20b/c%20d", "/", "/a%20b/") == "/a%20b/"
    assert led(b"/a%20b/x/y", "/", "/a%20b/", "/a%20b/x/") == "/a%20b/x/"
    assert led(b"/a%20b//x/y", "/", "/a%20b/", "/a%20b/x/") == "bad_request"
    assert led(b"/a//x", "/", "/a/", "/a//") == "/a//"
    assert led("/café/x".encode(), "/", "/caf%C3%A9/") == "bad_request"


def test_where_no_route_lies_below_another_spelling_matters_to_nobody() -> None:
    assert led(b"/a/%62//c", "/a/", "/b/", "/c") == "/a/"


@given(PATHS)
def test_the_plain_spelling_of_a_path_is_plain(path: bytes) -> None:
    plain = plainly(path.replace(b"%", b""))
    assert plainly(plain) == plain
    assert not other_readings(plain.replace(b"/.", b""))


@given(PATHS)
def test_a_path_without_a_second_reading_is_plain_already(path: bytes) -> None:
    if not other_readings(path):
        assert plainly(path) == path
