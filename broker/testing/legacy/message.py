"""What the endpoint's services take and give."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

Headers = dict[str, str]


@dataclass(frozen=True)
class Request:
    """A request read in full; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    base_url: str = ""

    @property
    def path(self) -> str:
        """The target without its query, not decoded."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters, with lower case names."""
        found = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name.lower(): values for name, values in found.items()}

    def header(self, name: str) -> str:
        """A header's value, or an empty string."""
        return self.headers.get(name, "")


@dataclass(frozen=True)
class Reply:
    """A response to be sent with a Content-Length."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Headers = field(default_factory=dict)


def json_reply(status: int, content: object, headers: Headers | None = None) -> Reply:
    """A reply in JSON."""
    return Reply(status, json.dumps(content).encode(), "application/json; charset=utf-8", headers or {})


def method_not_allowed(*allowed: str) -> Reply:
    """The answer to a method that the resource does not have."""
    return Reply(405, b"Method not allowed\n", headers={"Allow": ", ".join(allowed)})
