"""What a secret looks like where it travels, so that it is known again."""

import json
import re
from base64 import b64encode
from html import escape
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 4
"""What is shorter is not to be told from ordinary words."""


def secret_forms(secret: bytes) -> set[str]:
    """The secret as text, and as URLs, JSON, XML, Python, hex and Base64 write it."""
    text = secret.decode("utf-8", "replace")
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    found = {text, secret.decode("latin-1"), json.dumps(text)[1:-1], escape(text), escape(text, quote=False)}
    found |= encoded | {re.sub("%..", lambda match: match[0].lower(), one) for one in encoded}
    # As errors quote what they choke on.
    found |= {repr(secret)[2:-1], repr(text)[1:-1], secret.hex(), secret.hex().upper()}
    # Client ids and secrets are encoded like a form before they become Basic (RFC 6749 section 2.3.1).
    return found.union(_base64_forms(secret), *(_base64_forms(one.encode()) for one in encoded))


def _base64_forms(secret: bytes) -> set[str]:
    """The secret in base64, also as the end of something longer such as `user:password`, at each of three offsets."""
    forms = {b64encode(secret).decode()}
    for offset in range(3):
        # The first characters mix with what stands before the secret, the last ones with what stands behind it.
        text = b64encode(bytes(offset) + secret).decode()
        start, end = -(-offset * 8 // 6), (offset + len(secret)) * 8 // 6
        forms.add(text[start:end])
    forms |= {form.translate(_URL_SAFE) for form in forms}
    return {form for form in forms if len(form) >= SHORTEST}


_URL_SAFE = str.maketrans("+/", "-_")
