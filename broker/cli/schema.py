"""`broker schema`: the JSON Schema of routes.yaml."""

import argparse
import json
import sys
from typing import Final

from broker.config.schema import json_schema

NAME: Final = "schema"
HELP: Final = "print the JSON Schema of routes.yaml, for editors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose."""


def run(_args: argparse.Namespace) -> int:
    """Print the schema; returns 0."""
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return 0
