"""tlslite-ng, loaded when it is needed: only some servers are."""

import importlib
import warnings
from typing import Any


def module(name: str) -> Any:
    """A module of tlslite-ng, such as `api`."""
    with warnings.catch_warnings():
        # It imports asyncore, which Python 3.11 warns of.
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module(f"tlslite.{name}")
