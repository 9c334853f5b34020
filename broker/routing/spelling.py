"""How else a service may read a path: many decode it, and take several spellings for one."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

other_readings: Final = re.compile(rb"%|\\|;|/[/.]").search
"""Whether a path can be read in more than one way; a quick look, for most paths cannot."""


def plainly(path: bytes) -> bytes:
    """The path as a lenient service reads it.

    Percent-decoded once, backslashes for slashes, without parameters of segments (RFC 3986 section 3.3), and without
    segments that are empty or `.`; `..` is refused before.
    """
    decoded = unquote_to_bytes(path).replace(b"\\", b"/")
    segments = [segment.partition(b";")[0] for segment in decoded.split(b"/")]
    kept = [segment for segment in segments if segment not in (b"", b".")]
    end = b"/" if kept and segments[-1] in (b"", b".") else b""
    return b"/" + b"/".join(kept) + end
