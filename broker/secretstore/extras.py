"""Which libraries a kind of reference takes, and how to get them."""

from importlib.util import find_spec
from typing import Final

_EXTRAS: Final = {"keyvault": ("azure", ("azure.identity", "azure.keyvault.secrets")), "vault": ("vault", ("hvac",))}


def what_to_install(scheme: str) -> str | None:
    """The command to run before references of this scheme work; None when they do."""
    extra, modules = _EXTRAS.get(scheme, ("", ()))
    return None if all(_is_here(module) for module in modules) else f"pip install 'tls-broker[{extra}]'"


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
