"""What the metrics say of tokens."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from broker.observe.metrics import BrokerCollector
from broker.observe.sources import TokenState
from broker.observe.tally import Tallies


def test_token_requests_and_the_end_of_tokens_are_metrics() -> None:
    states = [
        TokenState("orders", "oauth2", {"success": 2, "failed": 1}, 4102444800.0),
        TokenState("stock", "entra", {"failed": 3}, None),
    ]
    registry = CollectorRegistry()
    registry.register(BrokerCollector(Tallies(), list, list, list, tokens=lambda: states))
    page = generate_latest(registry).decode()
    for line in (
        'broker_credentials_refresh_total{outcome="success",route="orders",type="oauth2"} 2.0',
        'broker_credentials_refresh_total{outcome="failed",route="stock",type="entra"} 3.0',
        'broker_credentials_expiry_timestamp_seconds{route="orders",type="oauth2"} 4.1024448e+09',
    ):
        assert line in page
    assert 'broker_credentials_expiry_timestamp_seconds{route="stock"' not in page
