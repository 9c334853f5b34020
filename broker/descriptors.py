"""File descriptors: each connection takes one, a call under way two, and what runs out of them takes nobody in."""

import logging
import resource

from broker.config.model import Config

log = logging.getLogger(__name__)


def raise_descriptor_limit() -> None:
    """Let the process have as many connections as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def warn_of_descriptors(config: Config) -> None:
    """Say so where they run out before the limits on connections are reached."""
    listeners = sum(listener.limits.connections for listener in config.listeners.values())
    allowed = min(config.limits.connections, listeners)
    there, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if there != resource.RLIM_INFINITY and allowed > there:
        log.warning(
            "limits.connections: %d connections need more than the %d file descriptors that the process may have",
            allowed,
            there,
            extra={"event": "descriptors", "connections": allowed, "descriptors": there},
        )
