"""TLS works and the answer is not accepted: which settings of HTTP let it through."""

import re
from typing import Final

from broker.probe.candidate import Candidate, Setting
from broker.probe.findings import HttpFacts
from broker.probe.search import Found, Search

_ADVICE: Final = re.compile(r"http\.lenient: \[([^\]]+)\]")
_ROUNDS: Final = 4
_WHY: Final = {
    "bare_lf": "its lines end in LF alone",
    "obs_fold": "it folds header lines",
    "header_name_spaces": "it puts blanks before colons",
    "invalid_header_chars": "its headers hold control characters",
    "duplicate_content_length": "it says its length twice",
    "content_length_and_chunked": "it says a length of chunked bodies",
    "content_length_mismatch": "it sends less than it says",
    "bad_chunk_size_spaces": "it puts blanks behind sizes of chunks",
    "chunk_without_crlf": "it leaves out line ends behind chunks",
    "unknown_version": "it names a version that does not exist",
}
_OLD: Final = (
    Setting("version", '"1.0"', "it does not answer HTTP/1.1"),
    Setting("keep_alive", "false", "it answers when told that the connection ends"),
)


async def mend(search: Search, found: Found) -> Found:
    """The candidate with what its answers need, or as it was where nothing helps. Raises `BudgetSpent`."""
    now = found
    for _ in range(_ROUNDS):
        better = _advised(now)
        if better is None:
            break
        now = Found(better, await search.attempt(better))
        if not now.outcome.code:
            return now
    if now.outcome.code not in ("upstream_timeout", "upstream_protocol_error"):
        return found
    for setting in _OLD:
        candidate = now.candidate.with_http(setting)
        outcome = await search.attempt(candidate)
        if not outcome.code:
            return Found(candidate, outcome)
    return found


def without_chunks(candidate: Candidate, facts: HttpFacts) -> Candidate | None:
    """The candidate with bodies that have a length, where the endpoint knows no others; None where it may."""
    if any(setting.key in ("request_body", "version") for setting in candidate.http):
        return None
    if facts.version in ("0.9", "1.0"):
        why = "it speaks HTTP/1.0, which has no chunked bodies"
    elif facts.chunked.startswith("not taken"):
        why = f"it does not take chunked bodies ({facts.chunked.partition(': ')[2]})"
    else:
        return None
    return candidate.with_http(Setting("request_body", "content_length", why))


def _advised(found: Found) -> Candidate | None:
    """The candidate with what the failure itself asks for; None where it asks for nothing new."""
    detail, candidate = found.outcome.detail, found.candidate
    if "close_notify" in detail:
        setting = Setting("require_close_notify", "false", "it ends connections without close_notify", True)
        return None if setting in candidate.tls else candidate.with_tls(setting)
    advice = _ADVICE.search(detail)
    if advice is None:
        return None
    have = next((setting.value.strip("[]").split(", ") for setting in candidate.http if setting.key == "lenient"), [])
    wanted = list(dict.fromkeys([*have, *advice[1].split(", ")]))
    if wanted == have:
        return None
    why = "; ".join(_WHY.get(name, name) for name in wanted)
    return candidate.with_http(Setting("lenient", f"[{', '.join(wanted)}]", why))
