"""Masks every known secret wherever text leaves the process."""

import json
import re
from base64 import b64encode
from urllib.parse import quote

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
        self._secrets |= {text, b64encode(secret).decode(), quote(text, safe=""), json.dumps(text)[1:-1]}
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern is not None else text
