"""Masks every known secret wherever text leaves the process."""

import json
import re
from base64 import b64encode
from urllib.parse import quote, quote_plus

_SHORTEST = 4
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
        if secret in self._forms or len(secret.decode("utf-8", "replace")) < _SHORTEST:
            return
        self._forms[secret] = _forms(secret)
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
        longest_first = sorted(set().union(*self._forms.values()), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))


def _forms(secret: bytes) -> set[str]:
    text = secret.decode("utf-8", "replace")
    plain = {text, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(text)[1:-1]}
    return plain | _base64_forms(secret)


def _base64_forms(secret: bytes) -> set[str]:
    """The secret in base64, also as the end of something longer such as `user:password`, at each of three offsets."""
    forms = {b64encode(secret).decode()}
    for offset in range(3):
        # The first characters mix with what stands before the secret, the last ones with what stands behind it.
        text = b64encode(bytes(offset) + secret).decode()
        start, end = -(-offset * 8 // 6), (offset + len(secret)) * 8 // 6
        forms.add(text[start:end])
    forms |= {form.translate(_URL_SAFE) for form in forms}
    return {form for form in forms if len(form) >= _SHORTEST}


_URL_SAFE = str.maketrans("+/", "-_")
