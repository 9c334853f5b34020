"""How large a message head may become."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Most bytes of a head (start line and fields), and most field lines."""

    header_bytes: int = 64 * 1024
    headers: int = 100


UPSTREAM_LIMITS = HeadLimits(header_bytes=256 * 1024, headers=1000)
"""For answers of upstreams, which the operator chose; generous, but bounded."""
