"""References to secrets: the only thing a field that holds a secret accepts."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from broker.config.base import TextValue

SCHEMES: Final = ("env", "file", "keyvault", "vault")
"""Every scheme of the contract, whether this build has a provider for it or not."""
_HELP: Final = "put the secret in an environment variable or a file and write env:NAME or file:PATH"


@dataclass(frozen=True)
class SecretRef(TextValue):
    """Where a secret is: `env:NAME` or `file:PATH`. It never holds the secret."""

    scheme: str
    rest: str

    PATTERN: ClassVar[str] = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\u0000-\u001f]+)$"
    EXPECTED: ClassVar[str] = f"a reference to a secret; {_HELP}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reference in `text`; raises `ValueError` that never repeats it: it may be the secret."""
        scheme, colon, rest = text.partition(":")
        if not colon or scheme not in SCHEMES:
            raise ValueError(f"literal secrets are not allowed here; {_HELP}")
        if scheme not in _RULES:
            raise ValueError(f"no provider for {scheme}: in this build; use env: or file:")
        _RULES[scheme](rest)
        return cls(scheme, rest)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


def is_ref(text: str) -> bool:
    """Whether `text` is meant as a reference, well-formed or not."""
    return text.startswith(tuple(scheme + ":" for scheme in SCHEMES))


def _env(rest: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rest):
        raise ValueError("after env: the name of an environment variable is expected")


def _file(rest: str) -> None:
    if not rest.strip() or any(ord(char) < 32 for char in rest):
        raise ValueError("after file: the path of a file is expected")
    if ".." in rest.split("/"):
        raise ValueError("the path after file: must not contain `..`")


_RULES: Final[dict[str, Callable[[str], None]]] = {"env": _env, "file": _file}
