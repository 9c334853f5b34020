"""Masks every known secret wherever text leaves the process."""

import re
import threading
from collections.abc import Iterable
from itertools import groupby

from broker.core.secret_forms import SHORTEST, secret_forms

_RETIRED = 100
"""How many secrets out of use are still masked: lines about them may come late."""
_NOTHING = "(?!)"
MASK = "***"


class Redactor:
    """Replaces secrets, and the forms in which they travel, by `***`."""

    def __init__(self) -> None:
        self._forms: dict[bytes, set[str]] = {}
        self._retired: list[bytes] = []
        self._pattern: re.Pattern[str] | None = None
        """Made when text is next masked: a start adds a hundred secrets, and each costs as much as all before it."""
        self._lock = threading.Lock()

    def add(self, secret: bytes) -> None:
        """Mask this from now on; very short values would mask ordinary words, and are left out."""
        if secret in self._retired:
            self._retired.remove(secret)
        if secret in self._forms or len(secret.decode("utf-8", "replace")) < SHORTEST:
            return
        forms = secret_forms(secret)
        with self._lock:
            self._forms[secret], self._pattern = forms, None

    def retire(self, secret: bytes) -> None:
        """No more in use: masked for a good while yet, but not for ever, as a broker runs for years."""
        if secret not in self._forms or secret in self._retired:
            return
        self._retired.append(secret)
        if len(self._retired) > _RETIRED:
            with self._lock:
                del self._forms[self._retired.pop(0)]
                self._pattern = None

    def redact(self, text: str) -> str:
        """The text without secrets."""
        return (self._pattern or self._compiled()).sub(MASK, text)

    def _compiled(self) -> re.Pattern[str]:
        with self._lock:
            if self._pattern is None:
                self._pattern = re.compile(_any_of(set().union(*self._forms.values())) or _NOTHING)
            return self._pattern


def _any_of(forms: Iterable[str]) -> str:
    """A pattern for the longest of them; by their first characters, as every call's path is searched."""
    longest_first = sorted(forms, key=lambda form: (form[0], -len(form)))
    begun = groupby(longest_first, key=lambda form: form[0])
    return "|".join(f"{re.escape(first)}(?:{'|'.join(re.escape(form[1:]) for form in rest)})" for first, rest in begun)
