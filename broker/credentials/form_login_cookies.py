"""The cookies of a session (RFC 6265), as far as one client with one service needs them."""

from calendar import timegm
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import parsedate
from time import time
from typing import Final

MOST: Final = 50
"""Cookies that a session may have; a service that sets more has lost its way."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie; its value is a secret."""

    name: bytes
    value: bytes = field(repr=False)
    path: bytes
    expires: float | None
    """Seconds since 1970; None for the length of the session."""


def parse_set_cookie(line: bytes, target: bytes, now: float) -> Cookie | None:
    """A Set-Cookie line (section 5.2); None for one that is to be ignored.

    `Domain`, `Secure` and the like do not matter: nothing but the one service gets to see the cookie.
    """
    pair, _, rest = line.partition(b";")
    name, equals, value = (part.strip(b" \t") for part in pair.partition(b"="))
    if not equals or not name or any(byte < 33 or byte == 127 for byte in name) or not _safe(value):
        return None
    path, expires, max_age = default_path(target), None, None
    for attribute in rest.split(b";"):
        key, _, text = (part.strip(b" \t") for part in attribute.partition(b"="))
        key = key.lower()
        if key == b"path":
            path = text if text.startswith(b"/") else default_path(target)
        elif key == b"expires":
            when = _instant(text)
            expires = expires if when is None else when
        elif key == b"max-age" and (text.removeprefix(b"-").isdigit() and len(text) < 20):
            max_age = now + int(text) if int(text) > 0 else 0.0
    return Cookie(name, value, path, max_age if max_age is not None else expires)


def default_path(target: bytes) -> bytes:
    """The path of a cookie that names none (section 5.1.4)."""
    path = target.partition(b"?")[0]
    return path[: path.rindex(b"/")] or b"/" if path.startswith(b"/") else b"/"


def path_matches(path: bytes, cookie_path: bytes) -> bool:
    """Whether a cookie goes to a path (section 5.1.4)."""
    if not path.startswith(cookie_path):
        return False
    return len(path) == len(cookie_path) or cookie_path.endswith(b"/") or path[len(cookie_path)] == 0x2F


def _instant(text: bytes) -> float | None:
    """Seconds since 1970 of a date, which is always in UTC (section 5.1.1); None for what is no date."""
    try:
        parsed = parsedate(text.decode("latin-1"))
        return None if parsed is None else float(timegm(parsed))
    except (ValueError, OverflowError):
        return None


def _safe(value: bytes) -> bool:
    return all(byte >= 32 and byte != 127 for byte in value)


class Jar:
    """The cookies that one login set."""

    def __init__(self, wanted: Iterable[bytes] = (), now: Callable[[], float] = time) -> None:
        """`wanted`: names of the cookies to keep; none for all."""
        self._wanted = frozenset(wanted)
        self._now = now
        self._cookies: dict[tuple[bytes, bytes], Cookie] = {}
        self.names: set[bytes] = set()
        """Of all cookies that were ever in it."""

    def __repr__(self) -> str:
        return f"Jar({len(self._cookies)} cookies)"

    def take(self, lines: Iterable[bytes], target: bytes, *, known: bool = False) -> None:
        """Set, replace and delete what these Set-Cookie lines say; `known`: only cookies of names that were here."""
        now = self._now()
        for line in lines:
            cookie = parse_set_cookie(line, target, now)
            if cookie is None or not self._keeps(cookie.name, known):
                continue
            key = cookie.name, cookie.path
            if cookie.expires is not None and cookie.expires <= now:
                self._cookies.pop(key, None)
            elif key in self._cookies or len(self._cookies) < MOST:
                self.names.add(cookie.name)
                self._cookies[key] = cookie

    def _keeps(self, name: bytes, known: bool) -> bool:
        return name in self.names if known else not self._wanted or name in self._wanted

    def header(self, target: bytes) -> bytes:
        """`name=value; …` for a request (section 5.4); empty when no cookie goes there."""
        path, now = target.partition(b"?")[0], self._now()
        fit = [one for one in self._cookies.values() if self._lives(one, now) and path_matches(path, one.path)]
        fit.sort(key=lambda one: -len(one.path))
        return b"; ".join(one.name + b"=" + one.value for one in fit)

    @property
    def empty(self) -> bool:
        """Whether no cookie is left: they were deleted, or their time is over."""
        now = self._now()
        return not any(self._lives(one, now) for one in self._cookies.values())

    def _lives(self, cookie: Cookie, now: float) -> bool:
        return cookie.expires is None or cookie.expires > now
