"""Masks every known secret wherever text leaves the process."""

import re
from collections.abc import Iterable
from itertools import groupby

from broker.core.secret_forms import SHORTEST, secret_forms

_RETIRED = 100
"""How many secrets out of use are still masked: lines about them may come late."""
MASK = "***"


class Redactor:
    """Replaces secrets, and the forms in which they travel, by `***`."""

    def __init__(self) -> None:
        self._forms: dict[bytes, set[str]] = {}
        self._retired: list[bytes] = []
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: bytes) -> None:
        """Mask this from now on; very short values would mask ordinary words, and are left out."""
        if secret in self._retired:
            self._retired.remove(secret)
        if secret in self._forms or len(secret.decode("utf-8", "replace")) < SHORTEST:
            return
        self._forms[secret] = secret_forms(secret)
        self._compile()

    def retire(self, secret: bytes) -> None:
        """No more in use: masked for a good while yet, but not for ever, as a broker runs for years."""
        if secret not in self._forms or secret in self._retired:
            return
        self._retired.append(secret)
        if len(self._retired) > _RETIRED:
            del self._forms[self._retired.pop(0)]
            self._compile()

    def redact(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern is not None else text

    def _compile(self) -> None:
        self._pattern = re.compile(_any_of(set().union(*self._forms.values())))


def _any_of(forms: Iterable[str]) -> str:
    """A pattern for the longest of them; by their first characters, as every call's path is searched."""
    longest_first = sorted(forms, key=lambda form: (form[0], -len(form)))
    begun = groupby(longest_first, key=lambda form: form[0])
    return "|".join(f"{re.escape(first)}(?:{'|'.join(re.escape(form[1:]) for form in rest)})" for first, rest in begun)
