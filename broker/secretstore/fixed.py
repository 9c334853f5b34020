"""A secret that never changes."""

from broker.core.secret import Secret


class FixedSource:
    """A `SecretSource` of one value, for what is resolved once and for masks."""

    version = 1

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def current(self) -> Secret:
        """The value."""
        return self._secret

    async def renew(self, seen: int | None = None) -> bool:
        """There is no other."""
        return False
