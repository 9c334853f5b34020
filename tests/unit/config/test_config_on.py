"""`retry: {on: …}` needs no quotes, though YAML 1.1 takes a bare `on` for true."""

import pytest

from broker.config.load import parse_config

TEXT = """
version: 1
listeners: {{in: {{bind: 127.0.0.1:0, tls: {{certificates: [{{chain: a, key: b}}]}}}}}}
upstreams:
  u:
    targets: [http://h]
    retry: {retry}
routes: [{{name: r, callers: public, upstream: u}}]
"""


@pytest.mark.parametrize(
    "retry",
    ["{attempts: 2, on: [connect_failed, reset, 502, 503], budget: 20%}", "\n      on: [reset]", '{"on": [reset]}'],
)
def test_on_is_a_key(retry: str) -> None:
    found = parse_config(TEXT.format(retry=retry)).upstreams["u"].retry
    assert found is not None
    assert "reset" in found.on
