"""What tests of Digest share: the challenges of RFC 7616 section 3.9, and steps of a flow by hand."""

import hashlib
from collections.abc import Awaitable, Callable

from broker.credentials.challenges import parameters
from broker.credentials.digest import DigestInjector
from broker.credentials.flow import Call, Flow, Seen, Send

CNONCE = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
NONCE = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = b"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
BASE = b'Digest realm="http-auth@example.org", qop="auth, auth-int", nonce="' + NONCE + b'", opaque="' + OPAQUE + b'"'
MD5 = BASE + b", algorithm=MD5"
SHA256 = BASE + b", algorithm=SHA-256"
SIMPLE = b'Digest realm="r", nonce="%b", qop="auth"'


def digest(
    name: str = "Mufasa",
    password: str = "Circle of Life",
    renew: Callable[[], Awaitable[bool]] | None = None,
    **more: object,
) -> DigestInjector:
    async def no() -> bool:
        return False

    more.setdefault("cnonce", lambda: CNONCE)
    return DigestInjector(name.encode, password.encode, renew or no, **more)  # type: ignore[arg-type]


def get(target: bytes = b"/dir/index.html", **more: object) -> Call:
    return Call(b"GET", target, b"www.example.org", **more)  # type: ignore[arg-type]


def refusal(*challenges: bytes) -> Seen:
    return Seen(401, [(b"WWW-Authenticate", value) for value in challenges])


def sent(step: object) -> dict[bytes, bytes]:
    """The parameters of the answer that a step carries."""
    assert isinstance(step, Send)
    ((name, value),) = step.lines
    assert name == b"Authorization"
    assert value.startswith(b"Digest ")
    return dict(parameters(value.removeprefix(b"Digest ")))


def challenged(injector: DigestInjector, *challenges: bytes, call: Call | None = None) -> tuple[Flow, object]:
    """A flow that was refused once, and what it wants then."""
    flow = injector.flow(call or get())
    first = next(flow)
    assert isinstance(first, Send)
    assert first.lines == ()
    return flow, flow.send(refusal(*challenges))


def ends(flow: Flow, value: object) -> bool:
    try:
        flow.send(value)
    except StopIteration:
        return True
    return False


def expected(first: bytes, found: dict[bytes, bytes], second: bytes = b"GET:/dir/index.html") -> bytes:
    """The response by the letter of RFC 7616 section 3.4.1."""

    def h(data: bytes) -> bytes:
        return hashlib.md5(data).hexdigest().encode()

    parts = (h(first), found[b"nonce"], found[b"nc"], found[b"cnonce"], found[b"qop"], h(second))
    return h(b":".join(parts))
