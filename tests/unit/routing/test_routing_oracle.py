"""The table finds what a naive search through all rules finds."""

import re
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.errors import BrokerError
from broker.core.heads import RequestHead
from broker.routing.conditions import Conditions
from broker.routing.table import RouteTable, Rule

PATHS = ["/", "/a", "/a/", "/a/b", "/a/b/", "//", "/a//"]
HOSTS = [None, "x.test", "a.x.test", "*.x.test", "*.test"]
METHODS = [(), ("GET",), ("POST", "PUT")]
KEYS = st.tuples(st.sampled_from(PATHS), st.sampled_from(HOSTS), st.sampled_from(METHODS))


def plain(path: str) -> str:
    return re.sub("/+", "/", path)


def oracle(keys: list[Any], head: RequestHead) -> Any:
    path = head.target.partition(b"?")[0].decode()
    found = search(keys, path, head)
    meant = search([(plain(place), *rest) for place, *rest in keys], plain(path), head)
    return found if found is not None and plain(found[0]) == meant[0] else None


def search(keys: list[Any], path: str, head: RequestHead) -> Any:
    found = []
    for place, host, methods in keys:
        prefix = place.endswith("/")
        if not (path.startswith(place) if prefix else path == place):
            continue
        if host is not None and not (head.host.endswith(host[1:]) if host[0] == "*" else head.host == host):
            continue
        if methods and head.method.decode() not in methods:
            continue
        exact_host = host is not None and host[0] != "*"
        found.append(
            ((path == place, len(place), exact_host, len(host or ""), len(methods) > 0), (place, host, methods))
        )
    return max(found, key=lambda one: one[0])[1] if found else None


@settings(max_examples=300, deadline=None)
@given(
    st.lists(KEYS, unique=True, max_size=12),
    st.sampled_from([*PATHS, "/a?x=/a/b", "/a/b/c", "/b", "/a//b"]),
    st.sampled_from(["x.test", "a.x.test", "b.a.x.test", "test", "y"]),
    st.sampled_from([b"GET", b"POST"]),
)
def test_the_table_agrees_with_a_naive_search(keys: list[Any], target: str, host: str, method: bytes) -> None:
    table = RouteTable(
        Rule(where, path.encode(), Conditions(frozenset(m.encode() for m in methods)), (path, where, methods))  # type: ignore[arg-type]
        for path, where, methods in keys
    )
    head = RequestHead(method, target.encode(), http10=False, lines=[], host=host)
    try:
        found: Any = table.match(SimpleNamespace(head=head))  # type: ignore[arg-type]
    except BrokerError:
        found = None
    assert found == oracle(keys, head)
