"""How long a call may take where nothing else is said, and what has to be left of that to make it again."""

from typing import Final

SOAP_DEADLINE: Final = 55.0
"""Seconds; F&O's WCF clients give up after 60."""
DEADLINE: Final = 90.0
"""Seconds; F&O's HttpClient gives up after 100."""
RETRY_RESERVE: Final = 0.5
"""Seconds that a retry itself needs before the deadline."""
LONGEST_BACKOFF: Final = 5.0
"""Seconds beyond which the wait before a retry does not grow."""
