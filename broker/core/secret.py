"""A secret value that shows itself only to who asks for it by name."""

from typing import NoReturn


class SecretUnavailable(Exception):
    """A reference that cannot be resolved; the message names the reference, never a value."""


class Secret:
    """Bytes that `repr`, `str`, formatting and pickling do not show."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
