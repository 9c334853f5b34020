"""Where the demo happens: its routes file, certificates, secrets and addresses."""

import datetime as dt
import os
import secrets
import shlex
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from broker.config.address import BindAddress, Target
from broker.config.model import Config
from broker.testing.devpki import Workshop

_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class SetupError(Exception):
    """The demo cannot start; the message says why in one line."""


@dataclass(frozen=True)
class Setup:
    """What the demo takes from a routes file."""

    path: Path
    listener: BindAddress
    admin: BindAddress
    legacy: Target

    @property
    def certs(self) -> Path:
        """The directory of the development certificates."""
        return self.path.parent / "certs"

    @property
    def server(self) -> tuple[str, int]:
        """Where callers reach the listener on this machine."""
        return reachable(self.listener)


def reachable(bind: BindAddress) -> tuple[str, int]:
    """The address under which something bound there is reached on this machine."""
    return _UNSPECIFIED.get(bind.host, bind.host), bind.port


def url(address: tuple[str, int], scheme: str = "http") -> str:
    """The URL of an address, without a path."""
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def set_secrets() -> bool:
    """Set the environment's missing secrets; whether the API key was among them."""
    is_new = "FNO_API_KEY" not in os.environ
    os.environ.setdefault("FNO_API_KEY", secrets.token_urlsafe(24))
    os.environ.setdefault("LEGACY_USER", "warehouse")
    os.environ.setdefault("LEGACY_PASSWORD", secrets.token_urlsafe(24))
    return is_new


def from_config(path: Path, config: Config) -> Setup:
    """Take the demo's addresses from a configuration."""
    try:
        listener, upstream = config.listeners["fno"], config.upstreams["warehouse"]
    except KeyError as error:
        raise SetupError(f"{path} does not configure {error}, which the demo calls") from None
    target = upstream.targets[0]
    if target.scheme != "https":
        raise SetupError(f"{path}: the upstream warehouse is not https, so there is nothing to show")
    return Setup(path.absolute(), listener.bind, config.admin.bind, target)


def write_files(directory: Path) -> Path:
    """Write a routes file on free ports into an empty directory."""
    ports = _free_ports("listener", "admin", "legacy")
    review_by = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=365)
    template = resources.files(__package__).joinpath("routes.yaml").read_text()
    path = directory / "routes.yaml"
    path.write_text(Template(template).substitute(ports, review_by=review_by))
    return path


def calls_bundled_endpoint(path: Path) -> bool:
    """Whether a routes file trusts the bundled endpoint's CA. Beside any other, no certificates are made."""
    try:
        return "certs/legacy-ca.crt" in path.read_text()
    except (OSError, ValueError):
        return False


def make_certificates(directory: Path) -> None:
    """Make the development certificates that are missing or ending."""
    Workshop(directory).make_all()


def require_free(address: BindAddress, purpose: str) -> None:
    """Fail when something listens there already."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError as error:
        raise unavailable(address, purpose, error) from None


def unavailable(address: BindAddress | Target, purpose: str, error: OSError) -> SetupError:
    """The error that says which address is not to be had."""
    return SetupError(f"{purpose} cannot listen on {address.host}:{address.port}: {error.strerror or error}")


def _free_ports(*names: str) -> dict[str, int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
