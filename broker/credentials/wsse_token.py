"""The Security header itself: a UsernameToken, and when it was made (OASIS UsernameToken Profile 1.1)."""

import hashlib
import re
import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape

from broker.core.ports import SecretSource
from broker.core.secret import SecretUnavailable
from broker.credentials.wsse_layout import ACTOR, SOAP_11, WSSE

WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_PROFILE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
_BASE64: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
_NOT_XML: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Manner:
    """How the header is written."""

    digest: bool = True
    timestamp: bool = True
    ttl: float = 300.0
    must_understand: bool = True
    actor: str = ""
    """For SOAP 1.1."""
    role: str = ""
    """For SOAP 1.2."""

    def actor_for(self, soap: str) -> str:
        """Whom the header is for; empty for the service itself."""
        return self.actor if soap == SOAP_11 else self.role


class SecurityWriter:
    """Writes headers, each with a nonce of its own."""

    def __init__(
        self,
        name: Callable[[], bytes],
        password: SecretSource,
        manner: Manner,
        now: Now = utc_now,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`now` and `random`: for tests."""
        self.manner = manner
        self._name = name
        self._password = password
        self._now = now
        self._random = random

    def element(self, soap: str) -> str:
        """The Security element for an envelope of this namespace, in ASCII; raises `SecretUnavailable`."""
        now = self._now().astimezone(UTC)
        actor = self.manner.actor_for(soap)
        marks = ' soap:mustUnderstand="1"' if self.manner.must_understand else ""
        if actor:
            marks += f' soap:{ACTOR[soap]}="{_attribute(actor)}"'
        # Declared here and not borrowed from the envelope, where a prefix may stand for something else.
        declared = f' xmlns:soap="{soap}"' if marks else ""
        stamp = self._timestamp(now) if self.manner.timestamp else ""
        return (
            f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"{declared}{marks}>'
            f"{stamp}{self._token(now)}</wsse:Security>"
        )

    def _timestamp(self, now: datetime) -> str:
        until = _instant(now + timedelta(seconds=self.manner.ttl))
        return (
            f'<wsu:Timestamp wsu:Id="TS-{self._id()}"><wsu:Created>{_instant(now)}</wsu:Created>'
            f"<wsu:Expires>{until}</wsu:Expires></wsu:Timestamp>"
        )

    def _token(self, now: datetime) -> str:
        password = self._password.current().reveal()
        proof = self._digest(password, _instant(now)) if self.manner.digest else _plain(password)
        return (
            f'<wsse:UsernameToken wsu:Id="UsernameToken-{self._id()}">'
            f"<wsse:Username>{_text(self._name(), 'user name')}</wsse:Username>{proof}</wsse:UsernameToken>"
        )

    def _digest(self, password: bytes, created: str) -> str:
        nonce = self._random(16)
        # SHA-1 is what the profile says; the nonce and the time are there so that no digest is worth keeping.
        digest = hashlib.sha1(nonce + created.encode() + password, usedforsecurity=False).digest()
        return (
            f'<wsse:Password Type="{_PROFILE}#PasswordDigest">{b64encode(digest).decode()}</wsse:Password>'
            f'<wsse:Nonce EncodingType="{_BASE64}">{b64encode(nonce).decode()}</wsse:Nonce>'
            f"<wsu:Created>{created}</wsu:Created>"
        )

    def _id(self) -> str:
        return self._random(16).hex()


def _plain(password: bytes) -> str:
    return f'<wsse:Password Type="{_PROFILE}#PasswordText">{_text(password, "password")}</wsse:Password>'


def _instant(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}Z"


def _attribute(text: str) -> str:
    return _ascii(escape(text, {'"': "&quot;"}))


def _text(value: bytes, what: str) -> str:
    """A secret as character data; raises `SecretUnavailable`, which does not repeat it."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise SecretUnavailable(f"the {what} for WS-Security is not UTF-8") from None
    if _NOT_XML.search(text):
        raise SecretUnavailable(f"the {what} for WS-Security holds characters that no XML document may hold")
    # A carriage return would be read as a line feed.
    return _ascii(escape(text, {"\r": "&#13;"}))


def _ascii(text: str) -> str:
    """Character references for all that is not ASCII: so it fits into a document of any encoding."""
    return text.encode("ascii", "xmlcharrefreplace").decode()
