"""A connection to the store of shared limits: reached, logged in, and its failures in words.

Redis 5 or later, or Valkey, over RESP2. The library does connections, login and the protocol; who asks what, and until
when, is decided in `shared_pipe`.
"""

import ssl
from dataclasses import dataclass, field
from typing import Any

from redis import CredentialProvider
from redis.asyncio import Connection, SSLConnection
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    InvalidResponse,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from broker.core.ports import SecretSource
from broker.core.secret import SecretUnavailable
from broker.policy.shared_bucket import SharedBucket, StoreAway

_WORDS: dict[type[Exception], str] = {
    BusyLoadingError: "it is still loading its data",
    ReadOnlyError: "it is a replica, which takes no writes",
    OutOfMemoryError: "it has no memory left",
    NoPermissionError: "its user may not run EVAL, EVALSHA, GET, SET and TIME on these keys",
    MovedError: "it is one of a cluster, and the keys are on another",
}


class StoreDenied(StoreAway):
    """It did not take the user or the password: another password may be known by now."""


@dataclass(frozen=True)
class StoreSettings:
    """How the store is reached; `timeout` in seconds, of each answer."""

    host: str
    port: int
    database: int
    username: str
    password: SecretSource | None = field(repr=False)
    tls: ssl.SSLContext | None
    prefix: str
    timeout: float

    def key(self, bucket: SharedBucket) -> str:
        """Where a bucket is kept: with another rate it is another one, as in one process.

        What is in braces puts all keys into one slot of a cluster.
        """
        return f"{{{self.prefix}}}:rate:{bucket.name}:{bucket.rate.per_second:.10g}/{bucket.rate.burst:.10g}"


class _Login(CredentialProvider):
    """The user, and the password as it is now."""

    def __init__(self, username: str, password: SecretSource) -> None:
        self._username = username
        self._password = password

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """What AUTH is given; raises `SecretUnavailable`."""
        password = self._password.current().reveal().decode(errors="surrogateescape")
        return (self._username, password) if self._username else (password,)


def link(settings: StoreSettings) -> Connection:
    """A connection that is not open yet."""
    login = None if settings.password is None else _Login(settings.username, settings.password)
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "db": settings.database,
        "username": None if login else settings.username or None,
        "credential_provider": login,
        "encoding_errors": "surrogateescape",
        "protocol": 2,
        "driver_info": None,
        "socket_timeout": None,
        "socket_connect_timeout": None,
    }
    if settings.tls is None:
        return Connection(**options)
    made = SSLConnection(**options)
    # The library's own context would trust the system's authorities as well.
    made.ssl_context.context = settings.tls
    return made


async def opened(made: Connection) -> Connection:
    """Connect and log in; raises `StoreAway`. Who asks sets the time limit."""
    try:
        await made.connect()
    except BaseException as error:
        await made.disconnect(nowait=True)
        if isinstance(error, Exception):
            raise away(error, login=True) from None
        raise
    return made


def away(error: Exception, *, login: bool = False) -> StoreAway:
    """What an error of the library or the server says of the store.

    Of what a server answers to a `login` nothing is repeated: some quote what they were sent. Nor is what is no RESP.
    """
    if isinstance(error, AuthenticationError | AuthenticationWrongNumberOfArgsError):
        return StoreDenied("it did not accept the user or the password")
    if isinstance(error, SecretUnavailable):
        return StoreAway(f"its password is not known: {error}")
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return StoreAway(words)
    if isinstance(error, ResponseError):
        return StoreAway("it refused the login or the database" if login else f"it answered with an error: {error}")
    if isinstance(error, RedisError | OSError) and not isinstance(error, InvalidResponse):
        return StoreAway(str(error).rstrip(".") or type(error).__name__)
    return StoreAway(f"no sound answer ({type(error).__name__})")
