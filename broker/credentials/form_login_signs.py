"""What answers say about a session: it is gone, or a login worked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from broker.core.message import Line
from broker.credentials.form_login_page import asks_for_password

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as far as signs go."""

    status: int
    lines: Sequence[Line]
    body: bytes
    target: bytes
    """What was asked for."""

    def redirects_to(self, place: str) -> bool:
        """Whether it redirects there: a path, or the beginning of a URL."""
        locations = [value for name, value in self.lines if name.lower() == b"location"]
        if self.status not in _REDIRECTS or not locations:
            return False
        location = locations[0].strip().decode("latin-1")
        if not place.startswith("/"):
            return location.startswith(place)
        try:
            # A path may carry a session of its own: /login;jsessionid=…
            return urlsplit(urljoin(self.target.decode("latin-1"), location)).path.partition(";")[0] == place
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Expired:
    """Signs of a session that is gone; one is enough."""

    status: frozenset[int]
    location: str
    body: bytes = b""

    def shown_by(self, answer: Shown) -> bool:
        """Whether this answer has one of them."""
        return (
            answer.status in self.status
            or answer.redirects_to(self.location)
            or bool(self.body and self.body in answer.body)
        )


@dataclass(frozen=True, slots=True)
class Success:
    """Signs of a login that worked; all that are given have to show."""

    status: frozenset[int] = frozenset()
    location: str = ""
    body: bytes = b""
    cookie: bytes = b""

    def shown_by(self, answer: Shown, cookies: Mapping[bytes, object]) -> bool:
        """Whether this answer, which set these cookies, has all of them."""
        return (
            (not self.status or answer.status in self.status)
            and (not self.location or answer.redirects_to(self.location))
            and (not self.body or self.body in answer.body)
            and (not self.cookie or self.cookie in cookies)
        )


def likely_success(answer: Shown, login: Sequence[str]) -> bool:
    """What to go by where nobody said: no error, not sent back to the form, not shown a form again."""
    back = any(answer.redirects_to(place) for place in login)
    return answer.status < 400 and not back and not asks_for_password(answer.body)
