"""Request ids: the caller's own where it is sound, else one that no other process gives."""

import re
import secrets
from itertools import count

from broker.core.heads import RequestHead

_SOUND = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}\Z")
_process = secrets.token_hex(6)
_numbers = count(1)


def request_id(head: RequestHead) -> str:
    """The id under which a call is logged and answered."""
    if head.request_id and _SOUND.match(head.request_id):
        return head.request_id.decode("ascii")
    return f"{_process}-{next(_numbers):08x}"
