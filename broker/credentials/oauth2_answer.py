"""What token endpoints answer (RFC 6749 section 5), and what it means."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from broker.core.secret_forms import secret_forms
from broker.credentials.flow import MASK, CredentialUnavailable
from broker.credentials.tokens import Grant

_MOST_TEXT: Final = 300
_MOST_TOKEN: Final = 48 << 10
_HTML: Final = (b"<!doctype html", b"<html")


class ClientRejected(CredentialUnavailable):
    """The endpoint does not take the proof of who the broker is."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An answer, as far as it matters."""

    status: int
    body: bytes | None = field(repr=False)
    """None for one that is too large."""


def read_grant(where: str, answer: TokenAnswer, lifetime: float | None, secrets: Collection[bytes]) -> Grant:
    """The token; raises `CredentialUnavailable` that tells what came in its place.

    `lifetime`: what to take where the endpoint says nothing. `secrets` are masked in what it says of an error.
    """
    if 300 <= answer.status < 400:
        raise CredentialUnavailable(f"{where} answered {answer.status}: redirects are not followed")
    if answer.body is None:
        raise CredentialUnavailable(f"{where} answered {answer.status} with more than a token could need")
    found = _object(answer.body)
    if found is None or (answer.status >= 400 and "error" not in found):
        kind = ClientRejected if answer.status == 401 else CredentialUnavailable
        raise kind(f"{where} answered {answer.status} with {_described(answer.body, found)}")
    if "error" in found:
        raise _refusal(where, answer.status, found, secrets)
    kind = found.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise CredentialUnavailable(f"{where} gave a token of another type than Bearer")
    return Grant(line_safe(where, found.get("access_token")), _lifetime(where, found, lifetime))


def said(text: object, secrets: Collection[bytes]) -> str:
    """Somebody else's words, fit for a line of the log."""
    plain = text if isinstance(text, str) else ""
    # All forms of all secrets, the longest first, before anything is cut off: half a secret nobody would know again.
    for shown in sorted(set().union(*map(secret_forms, secrets)), key=len, reverse=True):
        plain = plain.replace(shown, MASK.decode()) if shown else plain
    line = " ".join("".join(char if char.isprintable() else " " for char in plain[:4096]).split())
    return line if len(line) <= _MOST_TEXT else line[:_MOST_TEXT] + "…"


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _described(body: bytes, found: dict[str, Any] | None) -> str:
    if found is not None:
        return "JSON that names no error"
    if not body.strip():
        return "nothing"
    return "a page of HTML" if body.lstrip()[:16].lower().startswith(_HTML) else "what is no JSON object"


def _refusal(where: str, status: int, found: dict[str, Any], secrets: Collection[bytes]) -> CredentialUnavailable:
    error = said(found["error"], secrets) or "an error without a name"
    more = said(found.get("error_description"), secrets)
    rejected = status == 401 or found["error"] == "invalid_client"
    kind = ClientRejected if rejected else CredentialUnavailable
    return kind(f"{where} answered {status}: {error}{f' ({more})' if more else ''}")


def line_safe(where: str, token: object) -> bytes:
    """A token that a header can carry; raises `CredentialUnavailable`."""
    if not isinstance(token, str) or not token:
        raise CredentialUnavailable(f"{where} gave no access_token")
    if len(token) > _MOST_TOKEN:
        raise CredentialUnavailable(f"{where} gave a token that is too large for a header")
    if any(not "!" <= char <= "~" for char in token):
        # A line end in it would be a header of its own.
        raise CredentialUnavailable(f"{where} gave a token with characters that no header takes")
    return token.encode()


def _lifetime(where: str, found: dict[str, Any], otherwise: float | None) -> float:
    given = found.get("expires_in")
    if given is None:
        if otherwise is None:
            raise CredentialUnavailable(f"{where} did not say expires_in: how long the token is good; set `lifetime`")
        return otherwise
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise CredentialUnavailable(f"{where} gave an expires_in that is no number")
    try:
        seconds = float(given)
    except (ValueError, OverflowError):
        raise CredentialUnavailable(f"{where} gave an expires_in that is no number") from None
    if not isfinite(seconds) or seconds <= 0:
        raise CredentialUnavailable(f"{where} gave a token that is over already, by its expires_in")
    return seconds
