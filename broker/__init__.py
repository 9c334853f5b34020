"""A two-hop TLS broker: TLS 1.2+ callers reach legacy services, with no credential in anybody's code."""

__version__ = "0.1.0"
