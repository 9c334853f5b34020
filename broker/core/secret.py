"""A secret value that shows itself only to who asks for it by name."""

import hmac
from typing import Any, ClassVar, NoReturn


class SecretUnavailable(Exception):
    """A reference that cannot be resolved; the message names the reference, never a value."""


class SecretPending(SecretUnavailable):
    """No value so far, from a provider that may still come to give one."""


class Secret:
    """Bytes that `repr`, `str`, formatting, copying and pickling do not show."""

    __slots__ = ("_value",)

    # A hash would let a dict or a set compare in a time that depends on the value.
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same bytes, in a time that does not depend on them."""
        return hmac.compare_digest(self._value, other._value) if isinstance(other, Secret) else NotImplemented

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __getstate__(self) -> Any:
        # What `copyreg` and debuggers ask for where pickling is refused: by default it lists the slots.
        raise TypeError("a secret is not pickled")
