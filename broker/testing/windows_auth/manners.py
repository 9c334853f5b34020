"""How a server behaves that asks for Windows authentication."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manners:
    """The settings of IIS that matter, and the quirks of what stands before it."""

    schemes: tuple[bytes, ...] = (b"Negotiate", b"NTLM")
    """What it offers, in this order; others than these two are offered and never taken."""
    persists: bool = True
    """Whether a login is good for the connection: false is `authPersistSingleRequest="true"`."""
    says_so: bool = True
    """Whether it writes `Persistent-Auth`."""
    requires_binding: bool = False
    """Extended Protection: a login over TLS has to be bound to the certificate."""
    closes_after_401: bool = False
    """It ends the connection where nobody began to log in, and where a login failed."""
    closes_midway: bool = False
    """It ends the connection with its challenge, so that no login succeeds."""
    forgets_after: int = 0
    """How many calls after the login's own it knows the user for; 0 for as many as come."""
    open_paths: tuple[bytes, ...] = ()
    """Targets that need no login."""
    forbidden_paths: tuple[bytes, ...] = ()
    """Targets that answer 401 of their own to every user, without a challenge."""
