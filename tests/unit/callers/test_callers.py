"""Callers are taken for who they prove to be, and for nobody else."""

from base64 import b64encode
from collections.abc import Callable

import pytest

from broker.callers.api_key import ApiKeyCheck, QueryKeyCheck
from broker.callers.authenticate import any_of, public
from broker.callers.basic import BasicCheck
from broker.callers.build import build_callers
from broker.callers.verdict import ADMITTED, Finding
from broker.config.model import AllOfCaller, ApiKeyCaller, BasicCaller
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.secret import Secret, SecretUnavailable

Call = Callable[..., Exchange]
KEY = ApiKeyCheck("X-Api-Key", [Secret(b"k-1"), Secret(b"k-2")])
QUERY = QueryKeyCheck("code", [Secret(b"k+1=")])
BASIC = BasicCheck(Secret("jürgen".encode()), Secret(b"a:b"))


def basic(pair: str, scheme: str = "Basic") -> tuple[bytes, bytes]:
    return b"Authorization", f"{scheme} ".encode() + b64encode(pair.encode())


def finding(check: object, exchange: Exchange) -> Finding:
    return check.judge(exchange).finding  # type: ignore[attr-defined]


def test_a_key_is_found_in_any_case_of_its_header(call: Call) -> None:
    assert KEY.judge(call((b"x-API-key", b" k-1\t"))) is ADMITTED


def test_each_of_several_keys_will_do(call: Call) -> None:
    assert KEY.judge(call((b"X-Api-Key", b"k-2"))) is ADMITTED


@pytest.mark.parametrize("value", [b"", b"k", b"k-11", b"K-1", b"\xff"])
def test_a_wrong_key_proves_nothing(call: Call, value: bytes) -> None:
    assert finding(KEY, call((b"X-Api-Key", value))) is Finding.WRONG


def test_a_key_that_comes_twice_proves_nothing(call: Call) -> None:
    assert finding(KEY, call((b"X-Api-Key", b"k-1"), (b"X-Api-Key", b"k-1"))) is Finding.WRONG


def test_an_underscore_is_not_the_header(call: Call) -> None:
    assert finding(KEY, call((b"X_Api_Key", b"k-1"))) is Finding.ABSENT


@pytest.mark.parametrize("target", [b"/?code=k%2B1%3D", b"/?a=1&code=k+1=", b"/?c%6fde=k%2b1=&x", b"/?&&code=k+1="])
def test_a_key_in_the_query_is_decoded(call: Call, target: bytes) -> None:
    assert QUERY.judge(call(target=target)) is ADMITTED


@pytest.mark.parametrize("target", [b"/?code=k", b"/?code", b"/?code=k+1=&code=k+1=", b"/?code=k%201="])
def test_a_wrong_key_in_the_query_proves_nothing(call: Call, target: bytes) -> None:
    assert finding(QUERY, call(target=target)) is Finding.WRONG


@pytest.mark.parametrize("target", [b"/", b"/code=k+1=", b"/?Code=k+1=", b"/?decode=k+1="])
def test_another_parameter_is_not_the_key(call: Call, target: bytes) -> None:
    assert finding(QUERY, call(target=target)) is Finding.ABSENT


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_a_password_may_hold_colons_and_the_scheme_any_case(call: Call, scheme: str) -> None:
    assert BASIC.judge(call(basic("jürgen:a:b", scheme))) is ADMITTED


@pytest.mark.parametrize("value", [b"", b"Basic", b"Basic !!", b"Bearer x", b"Basic \xff\xff\xff\xff", b"Basic YQ"])
def test_what_is_no_basic_authentication_proves_nothing(call: Call, value: bytes) -> None:
    assert BASIC.judge(call((b"Authorization", value))) is not ADMITTED


def test_a_wrong_user_or_password_proves_nothing(call: Call) -> None:
    assert finding(BASIC, call(basic("jürgen:a"))) is Finding.WRONG
    assert finding(BASIC, call(basic("juergen:a:b"))) is Finding.WRONG


def test_any_of_a_routes_callers_is_let_in_by_name(call: Call) -> None:
    authenticate = any_of([("fno", KEY), ("wms", BASIC)])
    assert authenticate(call((b"X-Api-Key", b"k-1"))) == "fno"
    assert authenticate(call(basic("jürgen:a:b"))) == "wms"


def test_a_stranger_is_told_each_way_in_once(call: Call) -> None:
    with pytest.raises(BrokerError) as caught:
        any_of([("a", KEY), ("b", BASIC), ("c", BASIC), ("d", QUERY)])(call())
    assert caught.value.code == "caller_unauthenticated"
    assert caught.value.headers == (
        ("WWW-Authenticate", 'ApiKey realm="broker", header="X-Api-Key"'),
        ("WWW-Authenticate", 'Basic realm="broker", charset="UTF-8"'),
        ("WWW-Authenticate", 'ApiKey realm="broker", query="code"'),
    )


def test_a_public_route_takes_anybody(call: Call) -> None:
    assert public(call()) == ""


class Source:
    """A secret that changes."""

    def __init__(self) -> None:
        self.value: bytes | None = None

    def current(self) -> Secret:
        if self.value is None:
            raise SecretUnavailable("vault:kv/app#key: no answer")
        return Secret(self.value)


def test_a_secret_counts_as_it_is_now(call: Call) -> None:
    source = Source()
    authenticate = any_of([("a", ApiKeyCheck("X-Api-Key", [source]))])  # type: ignore[list-item]
    with pytest.raises(BrokerError) as caught:
        authenticate(call((b"X-Api-Key", b"one")))
    assert (caught.value.code, caught.value.cause) == ("caller_unverifiable", "vault:kv/app#key: no answer")
    for value in (b"one", b"two"):
        source.value = value
        assert authenticate(call((b"X-Api-Key", value))) == "a"
    with pytest.raises(BrokerError, match="caller_unauthenticated"):
        authenticate(call((b"X-Api-Key", b"one")))


def test_a_key_that_is_not_there_keeps_nobody_out_who_has_another(call: Call) -> None:
    check = ApiKeyCheck("X-Api-Key", [Source(), Secret(b"k-2")])  # type: ignore[list-item]
    assert check.judge(call((b"X-Api-Key", b"k-2"))) is ADMITTED
    with pytest.raises(SecretUnavailable):
        check.judge(call((b"X-Api-Key", b"k-1")))


def build(**callers: object) -> tuple[dict[str, object], list[str]]:
    failed: list[str] = []
    checks = build_callers(callers, lambda _: Secret(b"s3cret"), lambda name, why: failed.append(f"{name}: {why}"))
    return dict(checks), failed


def test_configured_callers_become_their_checks(call: Call) -> None:
    checks, failed = build(
        both=AllOfCaller(type="all_of", of=["key", "user"]),
        key=ApiKeyCaller(type="api_key", keys=["env:K", "env:L"]),
        hook=ApiKeyCaller(type="api_key", query="code", key="env:K"),
        user=BasicCaller(type="basic", username="u", password="env:P"),
    )
    assert failed == []
    assert checks["key"].judge(call((b"X-Api-Key", b"s3cret"))) is ADMITTED
    assert checks["hook"].judge(call(target=b"/?code=s3cret")) is ADMITTED
    assert checks["user"].judge(call(basic("u:s3cret"))) is ADMITTED
    assert checks["both"].judge(call(basic("u:s3cret"), (b"X-Api-Key", b"s3cret"))) is ADMITTED
    assert finding(checks["both"], call(basic("u:s3cret"))) is Finding.ABSENT


def test_what_cannot_be_built_is_said_by_name_and_what_is_made_of_it_is_left_out() -> None:
    failed: list[str] = []
    callers = {
        "both": AllOfCaller(type="all_of", of=["user", "user"]),
        "user": BasicCaller(type="basic", username="env:U", password="env:P"),
    }
    assert build_callers(callers, lambda _: Secret(b"a:b"), lambda *told: failed.append(": ".join(told))) == {}
    assert failed == ["user: env:U: a user name holds no colon (RFC 7617)"]
