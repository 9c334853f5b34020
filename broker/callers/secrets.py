"""Where the checks get their secrets from, at each call: what a source holds now counts, not what it held once."""

from broker.core.ports import SecretSource
from broker.core.secret import Secret

Held = Secret | SecretSource
"""A value that stays, or a source whose value may change."""


def current(secret: Held) -> bytes:
    """The secret as it is now; raises `SecretUnavailable` where there never was one."""
    return secret.reveal() if isinstance(secret, Secret) else secret.current().reveal()
