"""Who may call the legacy endpoint, and what is found where."""

import base64
import hmac

from broker.testing.legacy import soap
from broker.testing.legacy.message import Reply, Request
from broker.testing.legacy.rest import Rest


class Service:
    """Everything that the endpoint serves, behind one user name and password."""

    def __init__(self, username: str, password: str) -> None:
        """Expect these credentials."""
        token = base64.b64encode(f"{username}:{password}".encode())
        self._expected = b"basic " + token
        self._rest = Rest()

    def answer(self, request: Request) -> Reply:
        """Authenticate and answer one request."""
        if not self._is_authentic(request):
            return Reply(401, b"Access is denied.\n", headers={"WWW-Authenticate": 'Basic realm="warehouse"'})
        if request.path.lower() == soap.PATH.lower():
            return soap.answer(request)
        if request.path.startswith("/api/"):
            return self._rest.answer(request)
        return Reply(404, b"The resource cannot be found.\n")

    def _is_authentic(self, request: Request) -> bool:
        scheme, _, token = request.header("authorization").partition(" ")
        given = f"{scheme.lower()} {token.strip()}".encode()
        return hmac.compare_digest(given, self._expected)
