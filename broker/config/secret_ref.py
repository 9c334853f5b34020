"""References to secrets: the only thing a field that holds a secret accepts."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator

from broker.config.base import TextValue

SCHEMES: Final = ("env", "file", "keyvault", "vault")
"""Every place for secrets that there is a provider for."""
LOCAL: Final = frozenset({"env", "file"})
"""Places on this machine: they are read at once, and have to be there at the start."""
_HELP: Final = "put the secret in an environment variable or a file and write env:NAME or file:PATH"
_FORMS: Final = (
    r"env:[A-Za-z_][A-Za-z0-9_]*",
    r"file:[^\u0000-\u001f]+",
    r"keyvault:[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]/[A-Za-z0-9-]{1,127}(/[A-Za-z0-9]{1,64})?",
    r"vault:[^\s#?%/]+(/[^\s#?%/]+)+#[^\s#]+",
)


@dataclass(frozen=True)
class SecretRef(TextValue):
    """Where a secret is, in one of the four forms of `SCHEMES`. It never holds the secret."""

    scheme: str
    rest: str

    PATTERN: ClassVar[str] = f"^({'|'.join(_FORMS)})$"
    EXPECTED: ClassVar[str] = f"a reference to a secret; {_HELP}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reference in `text`; raises `ValueError` that never repeats it: it may be the secret."""
        scheme, colon, rest = text.partition(":")
        if not colon or scheme not in _RULES:
            raise ValueError(f"literal secrets are not allowed here; {_HELP}")
        _RULES[scheme](rest)
        return cls(scheme, rest)

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


def is_ref(text: str) -> bool:
    """Whether `text` is meant as a reference, well-formed or not."""
    return text.startswith(tuple(scheme + ":" for scheme in SCHEMES))


def local(reference: SecretRef) -> SecretRef:
    """`reference` itself; raises `ValueError` when it is not on this machine."""
    if reference.scheme not in LOCAL:
        raise ValueError("what opens a store of secrets cannot be kept in one; use env: or file:")
    return reference


LocalRef = Annotated[SecretRef, AfterValidator(local)]
"""A reference that can be resolved before any provider is reached."""


def _env(rest: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rest):
        raise ValueError("after env: the name of an environment variable is expected")


def _file(rest: str) -> None:
    if not rest.strip() or any(ord(char) < 32 for char in rest):
        raise ValueError("after file: the path of a file is expected")
    if ".." in rest.split("/"):
        raise ValueError("the path after file: must not contain `..`")


def _keyvault(rest: str) -> None:
    if not _matches(2, rest):
        raise ValueError("after keyvault: VAULT/NAME or VAULT/NAME/VERSION is expected; VAULT is a name, not a URL")


def _vault(rest: str) -> None:
    if not _matches(3, rest):
        raise ValueError("after vault: MOUNT/PATH#KEY is expected, as in vault:kv/warehouse#password")
    if {".", ".."} & set(rest.partition("#")[0].split("/")):
        raise ValueError("the path after vault: must not contain `.` or `..`")


def _matches(form: int, rest: str) -> bool:
    return re.fullmatch(_FORMS[form].partition(":")[2], rest, re.ASCII) is not None and rest.isprintable()


_RULES: Final[dict[str, Callable[[str], None]]] = {"env": _env, "file": _file, "keyvault": _keyvault, "vault": _vault}
