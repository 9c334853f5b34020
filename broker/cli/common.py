"""What several verbs share."""

import argparse
import asyncio
import sys
from pathlib import Path

from broker.compile import CompileError
from broker.config.load import ConfigError, load
from broker.config.model import Config


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option that names the routes file."""
    parser.add_argument(
        "-c", "--config", type=Path, default=Path("routes.yaml"), help="the routes file (default: routes.yaml)"
    )


def complain(path: Path, error: Exception) -> int:
    """Print why the configuration does not serve, a line a reason; returns exit code 2."""
    if isinstance(error, CompileError):
        print("\n".join(f"{path}: {reason}" for reason in error.reasons), file=sys.stderr)
    elif isinstance(error, ConfigError):
        print(error, file=sys.stderr)
    else:
        print(f"broker: {error}", file=sys.stderr)
    return 2


def load_or_complain(path: Path) -> Config | int:
    """The configuration, or the exit code after the faults were printed."""
    try:
        return load(path)
    except ConfigError as error:
        return complain(path, error)


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop: uvloop's wherever it exists."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
