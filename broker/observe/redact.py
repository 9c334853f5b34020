"""Masks every known secret wherever text leaves the process."""

import json
import re
from base64 import b64encode
from urllib.parse import quote, quote_plus

_SHORTEST = 4
MASK = "***"


class Redactor:
    """Replaces secrets, and the forms in which they travel, by `***`."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: bytes) -> None:
        """Mask this from now on; very short values would mask ordinary words, and are left out."""
        text = secret.decode("utf-8", "replace")
        if len(text) < _SHORTEST:
            return
        self._secrets |= {text, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(text)[1:-1]}
        self._secrets |= _base64_forms(secret)
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern is not None else text


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
