"""From configured credentials to the lines that carry them, chosen by `type`."""

from broker.config.model import ApiKeyCredentials, BasicCredentials, BearerCredentials
from broker.core.message import Line
from broker.core.ports import SecretResolver
from broker.credentials.static import api_key, basic, bearer


def build_credentials(
    credentials: BasicCredentials | BearerCredentials | ApiKeyCredentials, resolve: SecretResolver
) -> Line:
    """The header line to inject; raises `SecretUnavailable`."""
    if isinstance(credentials, BasicCredentials):
        return basic(credentials, resolve)
    if isinstance(credentials, BearerCredentials):
        return bearer(credentials, resolve)
    return api_key(credentials, resolve)
