"""Errors of Vault in words: whether all of it is down or one secret cannot be had. No word is Vault's own."""

import requests
from hvac import exceptions

from broker.core.secret import SecretUnavailable
from broker.secretstore.provider import ProviderDown


def in_words(error: Exception) -> SecretUnavailable:
    """What went wrong, without addresses and bodies: they may hold a token."""
    if isinstance(error, SecretUnavailable):
        return error
    if isinstance(error, exceptions.InvalidPath):
        return SecretUnavailable("nothing is there")
    if isinstance(error, exceptions.Forbidden):
        return SecretUnavailable("Vault denies permission")
    if isinstance(error, exceptions.InvalidRequest):
        return SecretUnavailable("Vault calls the request invalid")
    if isinstance(error, exceptions.VaultDown):
        return ProviderDown("Vault is sealed or down (503)")
    if isinstance(error, exceptions.RateLimitExceeded):
        return ProviderDown("Vault limits the rate (429)")
    if isinstance(error, exceptions.VaultError):
        return ProviderDown(f"Vault failed ({type(error).__name__})")
    return ProviderDown(_of_transport(error))


def _of_transport(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS with Vault failed; does `secrets.vault.ca` hold its CA?"
    if isinstance(error, requests.exceptions.Timeout):
        return "Vault did not answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "Vault cannot be reached"
    return f"talking to Vault failed ({type(error).__name__})"
