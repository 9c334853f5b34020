"""The table of errors is the contract's."""

import pytest

from broker.core.errors import KINDS, BrokerError

CONTRACT = {
    "bad_request": 400,
    "caller_unauthenticated": 401,
    "caller_forbidden": 403,
    "no_route": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "rate_limited": 429,
    "upstream_connect_failed": 502,
    "upstream_tls_failed": 502,
    "upstream_protocol_error": 502,
    "credentials_unavailable": 502,
    "circuit_open": 503,
    "overloaded": 503,
    "upstream_timeout": 504,
}
ADDED = {
    "caller_unverifiable": 503,
    "request_timeout": 408,
    "idempotency_key_in_use": 409,
    "idempotency_outcome_unknown": 409,
    "idempotency_key_reused": 422,
    "target_too_long": 414,
    "misdirected_request": 421,
    "headers_too_large": 431,
    "internal_error": 500,
    "drain_timeout": 504,
    "version_not_supported": 505,
}


def test_every_code_has_the_status_of_the_contract() -> None:
    assert {code: kind.status for code, kind in KINDS.items()} == CONTRACT | ADDED


@pytest.mark.parametrize("code", KINDS)
def test_an_error_always_has_a_detail(code: str) -> None:
    error = BrokerError(code)
    assert error.detail
    assert str(error) == f"{code}: {error.detail}"


def test_the_cause_is_not_part_of_the_text() -> None:
    assert "10.0.0.12" not in str(BrokerError("upstream_connect_failed", cause="10.0.0.12 refused"))


def test_an_unknown_code_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        BrokerError("teapot")
