"""What is said of several targets that all fail: the code of the first, and to the log each by its address."""

import asyncio
from typing import Any

import pytest
from several import code, says, several

from broker.testing.contexts import server_context
from broker.testing.pki import Authority

SOON = 20.0
OK = says(b"ok")


@pytest.mark.parametrize("refuses", [0, 1])
async def test_the_first_that_failed_has_the_code_and_the_log_says_it_of_each(
    refuses: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The second is a fallback, so the order is certain."""
    strange: dict[str, Any] = {"server_tls": server_context(Authority.create().issue()), "tls": {"ca": "ca.crt"}}
    async with asyncio.timeout(SOON), several(OK, OK, fallback=1, **strange) as rig:
        await rig.targets[refuses].stop()
        answer = await rig.rig.call()
        [told] = [vars(record) for record in caplog.records if "cause" in vars(record)]
    first, second = [f"127.0.0.1:{target.port}: " for target in rig.targets]
    of_first, both, of_second = told["cause"].removeprefix(first).partition(f"; {second}")
    assert told["cause"].startswith(first)
    assert both
    reasons = [of_first, of_second]
    assert "CERTIFICATE_VERIFY_FAILED" in reasons[1 - refuses]
    assert "CERTIFICATE_VERIFY_FAILED" not in reasons[refuses]
    expected = b"upstream_tls_failed" if refuses else b"upstream_connect_failed"
    assert code(answer) == (502, expected)
    assert told["event"].encode() == expected
    assert b"127.0.0.1" not in answer.body


async def test_nothing_is_said_where_another_took_the_call(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(SOON), several(OK, OK) as rig:
        await rig.targets[0].stop()
        assert await rig.bodies(4) == {b"ok": 4}
    assert not [record for record in caplog.records if "cause" in vars(record)]
