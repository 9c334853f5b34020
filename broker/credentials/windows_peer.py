"""The upstream as a Windows login sees it: a service on a host, and a certificate."""

from broker.credentials.flow import Call
from broker.credentials.windows_binding import channel_bindings
from broker.credentials.windows_login import Peer


def peer(call: Call, spn: str, *, channel_binding: bool) -> Peer:
    """The service that `spn` names, else HTTP on the host that the call is for."""
    service, _, host = spn.partition("/")
    bindings = channel_bindings(call.certificate) if channel_binding and call.certificate is not None else None
    return Peer(service or "HTTP", host or _host(call.authority), bindings)


def _host(authority: bytes) -> str:
    text = authority.decode("ascii", "replace")
    return text.partition("]")[0].removeprefix("[") if text.startswith("[") else text.partition(":")[0]
