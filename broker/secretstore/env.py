"""Secrets in environment variables: `env:NAME`."""

import os

from broker.core.secret import Secret, SecretUnavailable


def read_env(name: str) -> Secret:
    """The variable's value; raises `SecretUnavailable`."""
    value = os.environ.get(name)
    if not value:
        raise SecretUnavailable(f"env:{name}: the environment variable is {'empty' if value == '' else 'not set'}")
    return Secret(value.encode("utf-8", "surrogateescape"))
