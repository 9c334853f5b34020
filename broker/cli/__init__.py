"""The verbs of the `broker` command, a module each."""

import argparse
from typing import Final, Protocol

from broker.cli import certs, check, demo, explain, probe, routes, run, schema


class Verb(Protocol):
    """A verb of the command."""

    NAME: str
    HELP: str

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declare its arguments."""

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """Do it; returns the exit code."""


VERBS: Final[tuple[Verb, ...]] = (run, check, demo, certs, schema, routes, explain, probe)  # type: ignore[assignment]
