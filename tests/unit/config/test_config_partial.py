"""A malformed key hides no fault of its neighbours, and none is made up because it cannot be read."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from broker.config.faults import Loc, render_path
from broker.config.load import examine_text
from broker.config.model import Upstream
from broker.config.partial import Unread, as_far_as_valid, knows

LISTENERS = """\
version: 1
listeners:
  fno: {bind: "127.0.0.1:8443", tls: {certificates: [{chain: a, key: b}]}}
"""
TEXT = LISTENERS + "upstreams:\n  u:\n    targets: [http://a]\n    %s\nroutes:\n  - %s\n"
ROUTE = "{name: r, callers: public, upstream: u%s}"


def faults(text: str) -> list[str]:
    """`line: path: message` of each fault."""
    return [str(fault).removeprefix("routes.yaml:") for fault in examine_text(text)[1]]


def of(*upstream: str, route: str = "") -> list[str]:
    return faults(TEXT % ("\n    ".join(upstream), ROUTE % route))


UNBOUNDED = "7: upstreams.u.queue: calls wait only where"
NO_TIME = "routes[0].deadline: leaves no time for a retry"


@pytest.mark.parametrize(
    ("malformed", "told"),
    [
        ("rate: banana", "8: upstreams.u.rate: "),
        ("timeouts: {connect: banana}", "8: upstreams.u.timeouts.connect: "),
        ("retry: {attempts: 0}", "8: upstreams.u.retry.attempts: "),
        ("pool: 1", "8: upstreams.u.pool: "),
    ],
)
def test_a_malformed_key_hides_no_other_contradiction(malformed: str, told: str) -> None:
    found = of("queue: {size: 100, wait: 5s}", malformed)
    assert any(fault.startswith(told) for fault in found), found
    assert any(fault.startswith(UNBOUNDED) for fault in found), found


def test_malformed_targets_hide_no_other_contradiction() -> None:
    text = (TEXT % ("queue: {}", ROUTE % "")).replace("http://a", "banana")
    assert [fault.split(": ")[:2] for fault in faults(text)] == [
        ["6", "upstreams.u.targets[0]"],
        ["7", "upstreams.u.queue"],
    ]
    assert any(
        fault.startswith("6: upstreams.u.queue: calls") for fault in faults(text.replace("targets: [banana]\n    ", ""))
    )


@pytest.mark.parametrize(
    "malformed",
    [
        "max_concurrency: banana",
        "adaptive_concurrency: banana",
        "max_concurency: 5",
        "max_concurrency: banana\n    colour: red",
        "adaptive_concurrency: {least: banana}",
    ],
)
def test_what_a_malformed_key_could_mend_is_not_told(malformed: str) -> None:
    found = of("queue: {size: 100, wait: 5s}", malformed)
    assert found
    assert not any("queue" in fault for fault in found), found


@pytest.mark.parametrize(
    "route",
    [
        "{name: s, callers: public, upstream: u, match: {path: /s/}, max_concurrency: banana}",
        "{name: s, callers: public, upstream: 5, match: {path: /s/}, max_concurrency: 5}",
        "{name: s, callers: public, upstream: u, match: {path: /s/}, max_concurency: 5}",
        "banana",
    ],
)
def test_calls_may_wait_for_the_limit_of_a_route_that_is_malformed(route: str) -> None:
    found = faults(TEXT % ("queue: {size: 5}", ROUTE % "" + "\n  - " + route))
    assert any("routes[1]" in fault for fault in found)
    assert not any("queue" in fault for fault in found), found


@pytest.mark.parametrize(
    "malformed",
    [", rate: banana", ", priority: 5", ", credentials: {type: basic}", ", match: {path: banana}", ", colour: red"],
)
def test_a_malformed_key_of_a_route_hides_no_other_contradiction(malformed: str) -> None:
    found = of("retry: {attempts: 2}", "timeouts: {connect: 4s}", route=", deadline: 4s" + malformed)
    assert any(fault.startswith(f"10: {NO_TIME}") for fault in found), found
    assert any(fault.startswith("10: routes[0].") and NO_TIME not in fault for fault in found), found


def test_contradictions_among_what_is_malformed_are_not_told() -> None:
    assert not any(
        NO_TIME in each for each in of("retry: {attempts: two}", "timeouts: {connect: 4s}", route=", deadline: 4s")
    )
    assert not any(NO_TIME in each for each in of("retry: {}", "timeouts: {connect: 4}", route=", deadline: 4s"))
    assert not any(NO_TIME in each for each in of("retry: {}", "timeouts: {connect: 4s}", route=", deadline: 4"))


def test_routes_without_a_required_key_are_checked() -> None:
    text = TEXT % ("slow_start: 0", "{name: r, upstream: v}\n  - {name: r, callers: [c], match: {path: /a/}, path: /b}")
    assert [fault.split(": ")[1] for fault in faults(text)] == [
        "upstreams.u",
        "routes[0].callers",
        "routes[0].upstream",
        "routes[1].upstream",
        "routes[1].callers[0]",
        "routes[1].name",
        "routes[1].path",
    ] or faults(text)


@pytest.mark.parametrize("section", ["upstreams: banana", "upstream: {v: {targets: [http://a]}}", ""])
def test_names_in_a_section_that_cannot_be_read_may_be_there(section: str) -> None:
    found = faults(f"{LISTENERS}{section}\nroutes:\n  - {ROUTE % ''}\n")
    assert any("upstreams: " in fault for fault in found)
    assert not any("no such entry" in fault for fault in found), found


def test_a_malformed_key_cannot_be_read() -> None:
    data = {"targets": ["http://a"], "rate": "banana", "timeouts": {"connect": 5, "idle": "3s"}}
    found = as_far_as_valid(Upstream, data, {})
    assert found is not None
    assert found.timeouts.idle == 3
    assert knows(found, "targets", "queue")
    assert not knows(found, "rate")
    with pytest.raises(Unread):
        _ = found.timeouts.connect
    assert {"rate", "timeouts"} <= found.model_fields_set
    assert as_far_as_valid(Upstream, ["banana"], {}) is None


def sometimes(**choices: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in choices.items()})


SECONDS = ["300ms", "4500ms", "5s", "60s", "95s"]
UPSTREAM = sometimes(
    weights=[[1], [1, 2]],
    balance=["hash", "round_robin"],
    hash_header=["X-Company"],
    ejection=[{"time": "9s", "most": "3s"}, {"failures": 0}],
    health=[{}, {"body": "fine"}, {"path": "/h"}],
    tls=[{}, {"profile": "legacy", "max_version": "TLSv1.2"}, {"unsafe_skip_verify": True, "ca": "x", "hello": "bare"}],
    http=[{"version": "1.0", "request_body": "stream"}, {"spool": "8GiB"}, {"version": "1.0", "spool": "8GiB"}],
    timeouts=[{"connect": each} for each in SECONDS],
    rate=["5/s"],
    max_concurrency=[2, 9],
    adaptive_concurrency=[{}, {"least": 9, "most": 3}],
    queue=[{}, *({"wait": each} for each in SECONDS)],
    retry=[{}, {"attempts": 1}, {"on": ["reset"]}, *({"backoff": each} for each in SECONDS)],
    circuit_breaker=[{}, {"failures": 0}, {"calls": 9}],
)
MATCH = sometimes(path=["/a/", "/a"], soap_action=["x"], methods=[["GET"]])
MORE = sometimes(
    listener=["fno"],
    path=["/b", "/b/"],
    caller_header=["X-Caller"],
    deadline=SECONDS,
    max_concurrency=[2, 9],
    credentials=[{"type": "api_key", "header": "X-Caller", "key": "env:K"}],
)
CALLERS = st.sampled_from(["public", ["key"], ["hmac", "entra"], ["nobody"], ["all"]])
NAMES = st.sampled_from(["r", "s"])
ROUTES = st.builds(
    lambda name, match, callers, upstream, more: {
        "name": name,
        "match": match,
        "callers": callers,
        "upstream": upstream,
        **more,
    },
    NAMES,
    MATCH,
    CALLERS,
    st.sampled_from(["u", "v", "w"]),
    MORE,
)
FILES = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "listeners": st.fixed_dictionaries(
            {
                "fno": st.sampled_from(["off", "optional"]).map(
                    lambda mtls: {
                        "bind": "127.0.0.1:9090",
                        "tls": {"certificates": [{"chain": "a", "key": "b"}], "mtls": mtls},
                    }
                )
            }
        ),
        "limits": sometimes(
            connections=[5], connections_per_address=[9], held_bodies=["1MiB"], store=["redis://a"], store_ca=["x"]
        ),
        "callers": st.fixed_dictionaries(
            {
                "key": sometimes(header=["X-K"], query=["k"], key=["env:A"], keys=[["env:A", "env:A"]]).map(
                    lambda more: {"type": "api_key", **more}
                ),
                "hmac": st.just({"type": "hmac", "header": "X-S", "secret": "env:A"}),
                "entra": sometimes(tenant=["t"], issuer=["https://i"], authority=["https://a"], roles=[["r"]]).map(
                    lambda more: {"type": "entra_jwt", "audience": ["a"], **more}
                ),
                "all": st.just({"type": "all_of", "of": ["key", "all"]}),
            }
        ),
        "upstreams": st.fixed_dictionaries(
            {
                name: UPSTREAM.flatmap(
                    lambda more: st.sampled_from([["http://a"], ["https://a", "https://b"]]).map(
                        lambda targets: {"targets": targets, **more}
                    )
                )
                for name in ("u", "v")
            }
        ),
        "routes": st.lists(ROUTES, min_size=1, max_size=3),
    }
)
EITHER = re.compile(r"^(route \S+|routes\S+)(?= takes the same requests)|the \d+s|SOAP (?=calls)")
PARTS = ("listeners", "callers", "upstreams", "routes", "limits")


def keys_of(value: Any, at: Loc = ()) -> list[Loc]:
    """The places of all keys below the entries of the sections."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [
        place
        for key, item in items
        if at or key in PARTS
        for place in [
            *([(*at, key)] if isinstance(key, str) and key != "type" and at else []),
            *keys_of(item, (*at, key)),
        ]
        if len(place) > 2 or place[0] == "limits"
    ]


def spoiled(data: dict[str, Any], place: Loc, *, misspelt: bool) -> str:
    """Make the key at `place` malformed, or misspell it; returns the path at which that is told."""
    owner: Any = data
    for part in place[:-1]:
        owner = owner[part]
    if misspelt:
        owner[f"{place[-1]}_"] = owner.pop(place[-1])
        return render_path((*place[:-1], f"{place[-1]}_"))
    # A number that no key takes.
    owner[place[-1]] = 1.5
    return render_path(place)


def all_faults(data: dict[str, Any]) -> set[tuple[str, str]]:
    """Places and messages, less what is one of several truths: the other route, the shortest of the deadlines."""
    return {(fault.path, EITHER.sub("", fault.message)) for fault in examine_text(yaml.safe_dump(data))[1]}


@given(FILES, st.data())
def test_a_fault_that_is_told_is_there_when_the_malformed_keys_are_mended(mended: dict[str, Any], data: Any) -> None:
    places = data.draw(st.lists(st.sampled_from(keys_of(mended)), min_size=1, max_size=3, unique=True))
    # A copy of what Hypothesis gives at several places, too.
    broken = json.loads(json.dumps(mended))
    spots = []
    for place in places:
        if not any(place[: len(other)] == other or other[: len(place)] == place for other in places if other != place):
            spots.append(spoiled(broken, place, misspelt=data.draw(st.booleans())))
    told, true = all_faults(broken), all_faults(mended)
    untrue = {
        each for each in told - true if not each[0].startswith(tuple(spots)) and not each[1].startswith("required")
    }
    assert not untrue, spots
