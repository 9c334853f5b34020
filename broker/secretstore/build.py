"""From the settings to the provider of each scheme."""

from collections.abc import Callable

from broker.config.model import Secrets
from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.env import EnvProvider
from broker.secretstore.extras import what_to_install
from broker.secretstore.feed import Pace
from broker.secretstore.file import FileProvider
from broker.secretstore.provider import Provider
from broker.secretstore.resolve import resolver


def build_provider(scheme: str, config: Secrets, pace: Pace, learn: Callable[[Secret], None]) -> Provider:
    """The provider; raises `SecretUnavailable` when it cannot be had.

    `learn` is told of what the provider itself proves who it is with. SDKs are imported here and not before: who does
    not use them need not have them.
    """
    if scheme == "env":
        return EnvProvider()
    if scheme == "file":
        return FileProvider(config.files, pace.settle)
    command = what_to_install(scheme)
    if command is not None:
        raise SecretUnavailable(f"{scheme}: needs {command}")

    resolve = resolver(config.files)

    def own(reference: object) -> Secret:
        secret = resolve(reference)  # type: ignore[arg-type]
        learn(secret)
        return secret

    if scheme == "keyvault":
        from broker.secretstore.keyvault import KeyVaultProvider

        return KeyVaultProvider(config.keyvault, config.timeout, own)
    if scheme == "vault" and config.vault is not None:
        from broker.secretstore.vault import VaultProvider

        return VaultProvider(config.vault, config.timeout, own, learn)
    raise SecretUnavailable(f"{scheme}: {no_provider(scheme)}")


def no_provider(scheme: str) -> str:
    """Why there is none."""
    return "needs `secrets.vault`, with its address and how to log in" if scheme == "vault" else "no such provider"
