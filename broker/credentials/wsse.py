"""WS-Security: a UsernameToken in the SOAP header of each call (OASIS WSS 1.1)."""

from collections.abc import Sequence
from typing import Final

from broker.core.body import Body
from broker.core.ports import SecretSource
from broker.credentials.flow import NOTHING, Await, Call, Flow, Send
from broker.credentials.static import StaticInjector
from broker.credentials.wsse_body import altered
from broker.credentials.wsse_envelope import Opening
from broker.credentials.wsse_layout import SOAP_11, Layout, Tag, plain_actor
from broker.credentials.wsse_token import SecurityWriter

_FAULTS: Final = frozenset({400, 401, 403, 500})
"""Statuses of SOAP faults, by version and by habit."""
_REFUSED: Final = (b"FailedAuthentication", b"InvalidSecurityToken")
"""Fault codes of WS-Security for a token that was not taken (WSS 1.1 section 12)."""
_PEEK: Final = 4096


class WsseInjector(StaticInjector):
    """Puts a Security header into the envelope of each attempt, with a nonce of its own."""

    def __init__(self, writer: SecurityWriter, sources: Sequence[SecretSource], *, keep: bool = False) -> None:
        """`keep`: a header for the same actor that came with the envelope stays, and nothing is added."""
        super().__init__("wsse", self._checked, sources, frozenset(), [])
        self._writer = writer
        self._keep = keep
        self.transform = self._transform

    def flow(self, call: Call) -> Flow:
        """See `Injector.flow`: after a fault that names the token, a rotated password is tried once."""
        if not call.has_body:
            yield Send(watch=NOTHING)
            return
        sent = self._send()
        seen = yield sent
        if not (seen.status == 401 or any(code in seen.beginning for code in _REFUSED)):
            return
        yield Await(self._renew)
        again = self._send()
        if again is not sent:
            yield again

    def _checked(self) -> Send:
        # A secret that cannot stand in XML is to be found out before a call needs it.
        self._writer.element(SOAP_11)
        return Send(watch=_FAULTS, peek=_PEEK)

    async def _transform(self, body: Body, content_type: bytes, length: int | None) -> tuple[Body, int | None]:
        opening = Opening(content_type, self._header, self._replaced)
        out = await altered(body, opening)
        return out, None if length is None else length + opening.delta

    def _header(self, layout: Layout) -> str | None:
        if self._keep and self._replaced(layout):
            return None
        return self._writer.element(layout.soap)

    def _replaced(self, layout: Layout) -> list[Tag]:
        actor = plain_actor(self._writer.manner.actor_for(layout.soap))
        return [one.tag for one in layout.securities if one.actor == actor]
