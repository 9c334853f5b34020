"""From a configured caller to its check."""

from broker.callers.api_key import ApiKeyCheck
from broker.callers.authenticate import CallerCheck
from broker.callers.basic import BasicCheck
from broker.config.model import ApiKeyCaller, BasicCaller
from broker.config.secret_ref import SecretRef
from broker.core.ports import SecretResolver
from broker.core.secret import SecretUnavailable


def build_caller(caller: ApiKeyCaller | BasicCaller, resolve: SecretResolver) -> CallerCheck:
    """The check for one configured caller; raises `SecretUnavailable`."""
    if isinstance(caller, ApiKeyCaller):
        return ApiKeyCheck(caller.header, resolve(caller.key).reveal())
    username = caller.username
    name = resolve(username).reveal() if isinstance(username, SecretRef) else username.encode()
    if b":" in name:
        raise SecretUnavailable(f"{username}: a user name holds no colon (RFC 7617)")
    return BasicCheck(name, resolve(caller.password).reveal())
