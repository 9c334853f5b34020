"""Callers are taken for who they prove to be, and for nobody else."""

from base64 import b64encode
from collections.abc import Callable

import pytest

from broker.callers.api_key import ApiKeyCheck
from broker.callers.authenticate import any_of, public
from broker.callers.basic import BasicCheck
from broker.callers.build import build_caller
from broker.config.model import ApiKeyCaller, BasicCaller
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.secret import Secret, SecretUnavailable

Call = Callable[..., Exchange]
KEY = ApiKeyCheck("X-Api-Key", b"k-1")
BASIC = BasicCheck("jürgen".encode(), b"a:b")


def basic(pair: str, scheme: str = "Basic") -> tuple[bytes, bytes]:
    return b"Authorization", f"{scheme} ".encode() + b64encode(pair.encode())


def test_a_key_is_found_in_any_case_of_its_header(call: Call) -> None:
    assert KEY.admits(call((b"x-API-key", b" k-1\t")).head)


@pytest.mark.parametrize("value", [b"", b"k", b"k-11", b"K-1", b"\xff"])
def test_a_wrong_key_proves_nothing(call: Call, value: bytes) -> None:
    assert not KEY.admits(call((b"X-Api-Key", value)).head)


def test_a_key_that_comes_twice_proves_nothing(call: Call) -> None:
    assert not KEY.admits(call((b"X-Api-Key", b"k-1"), (b"X-Api-Key", b"k-1")).head)


def test_an_underscore_is_not_the_header(call: Call) -> None:
    assert not KEY.admits(call((b"X_Api_Key", b"k-1")).head)


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_a_password_may_hold_colons_and_the_scheme_any_case(call: Call, scheme: str) -> None:
    assert BASIC.admits(call(basic("jürgen:a:b", scheme)).head)


@pytest.mark.parametrize("value", [b"", b"Basic", b"Basic !!", b"Bearer x", b"Basic \xff\xff\xff\xff", b"Basic YQ"])
def test_what_is_no_basic_authentication_proves_nothing(call: Call, value: bytes) -> None:
    assert not BASIC.admits(call((b"Authorization", value)).head)


def test_a_wrong_user_or_password_proves_nothing(call: Call) -> None:
    assert not BASIC.admits(call(basic("jürgen:a")).head)
    assert not BASIC.admits(call(basic("juergen:a:b")).head)


def test_any_of_a_routes_callers_is_let_in_by_name(call: Call) -> None:
    authenticate = any_of([("fno", KEY), ("wms", BASIC)])
    assert authenticate(call((b"X-Api-Key", b"k-1"))) == "fno"
    assert authenticate(call(basic("jürgen:a:b"))) == "wms"


def test_a_stranger_is_told_each_way_in_once(call: Call) -> None:
    with pytest.raises(BrokerError) as caught:
        any_of([("a", KEY), ("b", BASIC), ("c", BASIC)])(call())
    assert caught.value.code == "caller_unauthenticated"
    assert caught.value.headers == (("WWW-Authenticate", KEY.challenge), ("WWW-Authenticate", BASIC.challenge))


def test_a_public_route_takes_anybody(call: Call) -> None:
    assert public(call()) == ""


def test_a_configured_caller_becomes_its_check(call: Call) -> None:
    def resolve(_: object) -> Secret:
        return Secret(b"s3cret")

    key = build_caller(ApiKeyCaller(type="api_key", key="env:K"), resolve)
    user = build_caller(BasicCaller(type="basic", username="u", password="env:P"), resolve)
    assert key.admits(call((b"X-Api-Key", b"s3cret")).head)
    assert user.admits(call(basic("u:s3cret")).head)


def test_a_user_name_from_a_reference_holds_no_colon() -> None:
    caller = BasicCaller(type="basic", username="env:U", password="env:P")
    with pytest.raises(SecretUnavailable, match="env:U: a user name holds no colon"):
        build_caller(caller, lambda _: Secret(b"a:b"))
