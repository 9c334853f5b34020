"""A legacy endpoint as they are found in the field: TLS 1.0 only, Basic authentication, SOAP and REST."""

from broker.testing.legacy.endpoint import LegacyEndpoint
from broker.testing.legacy.message import Reply, Request

__all__ = ["LegacyEndpoint", "Reply", "Request"]
