"""What bounds the broker as a whole: its own limits, and where limits are kept that replicas share."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field

from broker.config.base import Model, TextValue, setting
from broker.config.hosts import bracketed, split_host_port
from broker.config.policy import RateSetting
from broker.config.scalars import FilePath, Size, Timeout
from broker.config.secret_ref import SecretRef

_PORT: Final = 6379
LONGEST_STORE_TIMEOUT: Final = 2.0
"""Seconds: the calls that find out that the store is away wait so long, and so does the start."""
_URL: Final = re.compile(r"(redis|rediss|valkey|valkeys)://(?:([^@/?#:]*)(:[^@]*)?@)?([^/?#@]+)(?:/([0-9]{0,3}))?\Z")


@dataclass(frozen=True)
class StoreUrl(TextValue):
    """A Redis or Valkey server and one of its databases; it never holds the password."""

    host: str
    port: int
    database: int = 0
    username: str = ""
    tls: bool = False

    PATTERN: ClassVar[str] = r"^(redis|valkey)s?://([^@/?#:]+@)?[^/?#@]+(/[0-9]{1,3})?/?$"
    EXPECTED: ClassVar[str] = "a URL such as redis://10.0.0.5:6379/0, or rediss:// for TLS"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The server of `redis://[USER@]HOST[:PORT][/DATABASE]`; raises `ValueError`."""
        parts = _URL.match(text)
        if parts is None:
            raise ValueError(f"expected {cls.EXPECTED}")
        if parts[3] is not None:
            raise ValueError("a URL with a password in it; write it as a reference in `store_password` instead")
        host, port = split_host_port(parts[4])
        if port == 0:
            raise ValueError("expected a port from 1 to 65535")
        return cls(host, port or _PORT, int(parts[5] or 0), parts[2] or "", parts[1] in ("rediss", "valkeys"))

    def __str__(self) -> str:
        user = f"{self.username}@" if self.username else ""
        return f"redis{'s' * self.tls}://{user}{bracketed(self.host)}:{self.port}/{self.database}"


class Limits(Model):
    """How much the whole process takes on, and where replicas keep the rates that they share."""

    store: StoreUrl | None = setting(
        None,
        "Redis or Valkey, where replicas share the `rate` of callers, routes and upstreams; absent: each has its own.",
    )
    store_password: SecretRef | None = setting(None, "The password of that server.")
    store_ca: FilePath | None = setting(
        None, "CA certificates that its certificate must come from, with rediss://; absent: the system's."
    )
    store_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = setting(
        "broker", "What its keys begin with: the same for replicas, another one for each other broker."
    )
    store_timeout: Timeout = setting(
        "100ms", "How long it may take, 2s at most, before the broker goes by limits of its own."
    )
    connections: int = setting(20000, "Open connections of all listeners together.", ge=1)
    connections_per_address: int = setting(
        1000, "Open connections from one address, or one /64 of IPv6; trusted proxies are not counted.", ge=1
    )
    rate_per_address: RateSetting | None = setting(
        None, "Requests from one address, or one /64 of IPv6; trusted proxies are not counted. Absent: no limit."
    )
    held_bodies: Size = setting(
        "4GiB", "All request bodies together that are held back at a time, in memory and in temporary files.", gt=0
    )


class IdempotencyKeys(Model):
    """How requests with an `Idempotency-Key` are remembered, so that a repeated one is answered and not made again."""

    window: Timeout = setting("10m", "How long a key is remembered after its call was over.")
    entries: int = setting(
        100_000, "Keys that are remembered; as many as come within the window, or new ones are refused.", ge=1
    )
    memory: Size = setting(
        "64MiB", "All remembered answers together; of the oldest only the key is kept above that.", gt=0
    )
    answer: Size = setting("1MiB", "One remembered answer; of a larger one only the key is kept.", gt=0)
    wait: Timeout = setting("30s", "How long a repeated request waits for the answer of the first.")
