"""Cases of servers that take offence at a ClientHello, each in front of a server that would answer it."""

from collections.abc import Callable

from broker.testing.legacy_tls import loopback
from broker.testing.legacy_tls.case import Case
from broker.testing.legacy_tls.hello import SERVER_NAME, SESSION_TICKET, SUPPORTED_VERSIONS, Hello
from broker.testing.legacy_tls.relay import Intolerance
from broker.testing.legacy_tls.s_server import plain

_PROTOCOL_VERSION, _HANDSHAKE_FAILURE, _UNRECOGNIZED_NAME = 70, 40, 112
_FIRST_SUITES = 64
_TLS10 = 0x0301
_NO_NAME = {"profile": "legacy", "server_name": ""}
_SHORT = {"profile": "legacy", "hello": "short"}
_BARE = {"profile": "legacy", "hello": "bare"}
_TLS10_AT_MOST = {"profile": "legacy", "max_version": "TLSv1.0"}
_TLS12_AT_MOST = {"profile": "legacy", "max_version": "TLSv1.2"}

_REACTIONS = {
    "close": ("hangs up", loopback.close),
    "reset": ("resets the connection", loopback.reset),
    "hang": ("never answers", loopback.hang),
}


def _alert(description: int) -> dict[str, tuple[str, loopback.Handle]]:
    return {"alert": ("sends a fatal alert", loopback.alert(description))}


def _each(
    name: str,
    dislike: str,
    dislikes: Callable[[Hello], bool],
    reactions: dict[str, tuple[str, loopback.Handle]],
    *options: str,
    tls: dict[str, str],
) -> list[Case]:
    """A case for each reaction."""
    return [
        plain(f"{name}-{kind}", f"{does} {dislike}", *options, tls=tls, intolerance=Intolerance(dislikes, react))
        for kind, (does, react) in reactions.items()
    ]


def _offers(suites: range) -> Callable[[Hello], bool]:
    return lambda hello: len(hello.suites) in suites


def _knows_none_of_the_first(hello: Hello) -> bool:
    """Whether the one suite this server has, AES128-SHA, comes too late in the list to be seen."""
    return 0x002F not in hello.suites[:_FIRST_SUITES]


CASES = (
    *_each(
        "sni-intolerant",
        "when it sees a server name",
        lambda hello: hello.has(SERVER_NAME),
        _REACTIONS | _alert(_UNRECOGNIZED_NAME),
        "-tls1",
        tls=_NO_NAME,
    ),
    *_each(
        "version-intolerant",
        "when offered more than TLS 1.0",
        lambda hello: hello.version > _TLS10 or hello.has(SUPPORTED_VERSIONS),
        _REACTIONS | _alert(_PROTOCOL_VERSION),
        "-tls1",
        tls=_TLS10_AT_MOST,
    ),
    *_each(
        "tls13-intolerant",
        "when offered TLS 1.3",
        lambda hello: hello.has(SUPPORTED_VERSIONS),
        _REACTIONS | _alert(_PROTOCOL_VERSION),
        "-no_tls1_3",
        tls=_TLS12_AT_MOST,
    ),
    *_each(
        "extension-intolerant",
        "when it sees any extension",
        lambda hello: hello.extensions is not None,
        _REACTIONS | _alert(_HANDSHAKE_FAILURE),
        "-tls1",
        tls=_BARE,
    ),
    *_each(
        "ticket-intolerant",
        "when it sees the session ticket extension",
        lambda hello: hello.has(SESSION_TICKET),
        {"close": _REACTIONS["close"]},
        "-tls1",
        tls=_SHORT,
    ),
    *_each(
        "long-hello",
        "when the hello has 256 to 511 bytes, as F5 load balancers did",
        lambda hello: 256 <= hello.length <= 511,
        {"hang": _REACTIONS["hang"]},
        "-no_tls1_3",
        tls=_SHORT,
    ),
    *_each(
        "hello-over-255",
        "when the hello has more than 255 bytes",
        lambda hello: hello.length > 255,
        {"close": _REACTIONS["close"]},
        "-no_tls1_3",
        tls=_SHORT,
    ),
    *_each(
        "suites-over-64-refused",
        "when offered more than 64 cipher suites",
        _offers(range(_FIRST_SUITES + 1, 1 << 15)),
        {"close": _REACTIONS["close"]} | _alert(_HANDSHAKE_FAILURE),
        "-tls1",
        tls=_SHORT,
    ),
    plain(
        "suites-over-64-ignored",
        "knows AES128-SHA only and looks for it in the first 64 cipher suites only",
        "-tls1",
        ciphers="AES128-SHA",
        tls=_SHORT,
        intolerance=Intolerance(_knows_none_of_the_first, loopback.alert(_HANDSHAKE_FAILURE)),
    ),
)
