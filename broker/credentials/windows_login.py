"""One login of a Windows user: tokens out, tokens in."""

import logging
from dataclasses import dataclass
from typing import Protocol

from spnego import ContextProxy, Password
from spnego.channel_bindings import GssChannelBindings

from broker.credentials.flow import CredentialUnavailable
from broker.credentials.windows_account import Account
from broker.credentials.windows_ntlm import NtlmContext

# At DEBUG the library writes tokens to the log, from which a weak password can be guessed.
logging.getLogger("spnego").setLevel(logging.INFO)


class Refused(Exception):
    """The upstream's token ends the login, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom one logs in to."""

    service: str
    host: str
    bindings: GssChannelBindings | None


class Login(Protocol):
    """A login under way."""

    optimistic: bool
    """Whether the first token may be all that is needed, so that the call goes with it; known after `begin`."""

    def begin(self) -> bytes:
        """The first token; raises `CredentialUnavailable`."""

    def step(self, token: bytes) -> bytes | None:
        """The next token, None when there is nothing more to say; raises `Refused`."""


class ContextLogin:
    """A login by a context of pyspnego."""

    optimistic = False

    def __init__(self) -> None:
        self._context: ContextProxy | None = None

    def begin(self) -> bytes:
        """See `Login.begin`."""
        try:
            token = self._open()
        except CredentialUnavailable:
            raise
        except Exception as error:
            # Whatever a library for authentication writes about its input stays here.
            raise CredentialUnavailable(f"the login cannot be begun ({type(error).__name__})") from None
        return token

    def step(self, token: bytes) -> bytes | None:
        """See `Login.step`."""
        if self._context is None or self._context.complete:
            return None
        try:
            return self._context.step(token)
        except Exception as error:
            # The token is the peer's: garbage raises anything, from struct.error to UnicodeDecodeError.
            raise Refused(type(error).__name__) from None

    def _open(self) -> bytes:
        raise NotImplementedError


class NtlmLogin(ContextLogin):
    """NTLM as it is, without SPNEGO around it."""

    def __init__(self, account: Account, peer: Peer, workstation: str) -> None:
        super().__init__()
        self._account = account
        self._peer = peer
        self._workstation = workstation

    def _open(self) -> bytes:
        self._context = ntlm_context(self._account, self._peer, self._workstation)
        return self._context.step() or b""


def ntlm_context(account: Account, peer: Peer, workstation: str) -> NtlmContext:
    """NTLM for this user and upstream."""
    return NtlmContext(
        # An object and not two strings: a password that looks like a pair of hashes is still a password.
        username=Password(account.for_ntlm, account.password),
        hostname=peer.host,
        service=peer.service,
        channel_bindings=peer.bindings,
        workstation=workstation,
    )
