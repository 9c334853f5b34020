"""One live secret: what was found last under its reference."""

from collections.abc import Awaitable, Callable

from broker.core.secret import Secret, SecretUnavailable


class Source:
    """The last good value of one reference; a `SecretSource`."""

    __slots__ = ("_error", "_renew", "_value", "name", "version")

    def __init__(self, name: str, renew: Callable[[], Awaitable[None]], error: SecretUnavailable) -> None:
        """`name`: the reference as it is written; `error`: what to say while there is no value."""
        self.name = name
        self.version = 0
        self._value: Secret | None = None
        self._renew = renew
        self._error = error

    def current(self) -> Secret:
        """The last good value; raises `SecretUnavailable` when there never was one."""
        if self._value is None:
            # A new one each time: an exception that is raised again and again collects tracebacks.
            raise type(self._error)(*self._error.args)
        return self._value

    async def renew(self, seen: int | None = None) -> bool:
        """Ask the provider now; whether the value changed. See `SecretSource.renew`."""
        before = self.version if seen is None else seen
        if self.version == before:
            await self._renew()
        return self.version != before

    def holds(self, value: Secret) -> bool:
        """Whether `value` is the current one."""
        return self._value is not None and self._value == value

    def take(self, value: Secret) -> None:
        """Make `value` the current one."""
        self._value = value
        self.version += 1

    def miss(self, error: SecretUnavailable) -> None:
        """Nothing was found: what to say while there is no value."""
        self._error = error

    def __repr__(self) -> str:
        return f"Source({self.name}, version {self.version})"
