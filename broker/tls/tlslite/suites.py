"""The cipher suites that the engine speaks, and OpenSSL's cipher lists over them."""

import re
from dataclasses import dataclass
from typing import Final

from broker.tls.tlslite.ciphers import missing
from broker.tls.versions import TlsVersion


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite by its number on the wire and its OpenSSL name; `words` are the keywords that select it."""

    code: int
    name: str
    words: frozenset[str]

    @property
    def least(self) -> TlsVersion:
        """The first version that has it."""
        return TlsVersion.TLSv1_2 if self.words & {"SHA256", "SHA384", "AESGCM"} else TlsVersion.SSLv3


_KEYWORDS: Final[dict[str, str]] = {
    "DHE-RSA": "DHE EDH kDHE kEDH DH aRSA",
    "DHE-DSS": "DHE EDH kDHE kEDH DH aDSS DSS",
    "ADH": "ADH DH kDHE kEDH aNULL",
    "": "RSA kRSA aRSA",
    "AES128-GCM": "AES AES128 AESGCM HIGH",
    "AES256-GCM": "AES AES256 AESGCM HIGH",
    "AES128": "AES AES128 HIGH",
    "AES256": "AES AES256 HIGH",
    "DES-CBC3": "3DES MEDIUM",
    "RC4": "RC4 MEDIUM",
    "NULL": "eNULL NULL",
    "SHA": "SHA SHA1",
    "SHA256": "SHA256",
    "SHA384": "SHA384",
    "MD5": "MD5",
}

_BARE: Final = frozenset({"aNULL", "ADH", "eNULL", "NULL"})

# Strongest first, as keywords list them; a key exchange with forward secrecy before one without.
_NUMBERS: Final = """
009F DHE-RSA AES256-GCM SHA384 | 00A3 DHE-DSS AES256-GCM SHA384 | 009D - AES256-GCM SHA384
009E DHE-RSA AES128-GCM SHA256 | 00A2 DHE-DSS AES128-GCM SHA256 | 009C - AES128-GCM SHA256
006B DHE-RSA AES256 SHA256 | 003D - AES256 SHA256
0039 DHE-RSA AES256 SHA | 0038 DHE-DSS AES256 SHA | 0035 - AES256 SHA
0067 DHE-RSA AES128 SHA256 | 003C - AES128 SHA256
0033 DHE-RSA AES128 SHA | 0032 DHE-DSS AES128 SHA | 002F - AES128 SHA
0016 DHE-RSA DES-CBC3 SHA | 0013 DHE-DSS DES-CBC3 SHA | 000A - DES-CBC3 SHA
0005 - RC4 SHA | 0004 - RC4 MD5
00A7 ADH AES256-GCM SHA384 | 00A6 ADH AES128-GCM SHA256 | 006D ADH AES256 SHA256 | 003A ADH AES256 SHA
006C ADH AES128 SHA256 | 0034 ADH AES128 SHA | 001B ADH DES-CBC3 SHA | 0018 ADH RC4 MD5
003B - NULL SHA256 | 0002 - NULL SHA | 0001 - NULL MD5
"""


def _suites() -> tuple[Suite, ...]:
    found = []
    for line in re.split(r"[|\n]", _NUMBERS.strip()):
        code, exchange, cipher, digest = line.split()
        exchange = "" if exchange == "-" else exchange
        words = {word for key in (exchange, cipher, digest) for word in _KEYWORDS[key].split()}
        if not words & _BARE:
            words |= {"ALL", "COMPLEMENTOFDEFAULT" if words & {"3DES", "RC4"} else "DEFAULT"}
        name = "-".join(filter(None, (exchange, cipher, digest)))
        if cipher.endswith("-GCM"):
            words -= {"SHA256", "SHA384"}
        found.append(Suite(int(code, 16), name, frozenset(words | {name})))
    return tuple(found)


SUITES: Final = _suites()
NAMES: Final[dict[int, str]] = {suite.code: suite.name for suite in SUITES}


def offered(cipher_list: str, most: TlsVersion) -> tuple[Suite, ...]:
    """The suites of an OpenSSL cipher list, in its order, for versions up to `most`.

    `!` excludes for good, `-` until a later word adds again, `+` moves to the end, `A+B` selects what both select.
    Words that select nothing here (other suites, `@SECLEVEL`) are passed over. Stricter than OpenSSL, no keyword but
    their own (`aNULL`, `ADH`, `eNULL`, `NULL`) adds suites without a certificate or without encryption.
    """
    chosen: list[Suite] = []
    killed: set[Suite] = set()
    for token in re.split(r"[:,; ]+", cipher_list):
        sign = token[:1] if token[:1] in ("!", "-", "+") else ""
        selected = _selected(token[len(sign) :], adding=not sign)
        if sign == "!":
            killed.update(selected)
        moved = [suite for suite in chosen if suite in selected] if sign == "+" else []
        if sign:
            chosen = [suite for suite in chosen if suite not in selected] + moved
        else:
            chosen += [suite for suite in selected if suite not in chosen]
    lacking = missing()
    return tuple(each for each in chosen if each not in killed and each.least <= most and not each.words & lacking)


def _selected(words: str, *, adding: bool) -> list[Suite]:
    # EDH-RSA-DES-CBC3-SHA is how OpenSSL 1.0 writes DHE-RSA-DES-CBC3-SHA.
    wanted = {re.sub(r"^EDH-", "DHE-", word) for word in words.split("+")}
    found = [suite for suite in SUITES if wanted <= suite.words]
    return [suite for suite in found if not suite.words & _BARE or wanted & {*_BARE, suite.name}] if adding else found
