"""Cipher suites by number: OpenSSL's names, and how much each still protects."""

from enum import IntEnum
from typing import Final

from broker.tls.versions import TlsVersion


class Grade(IntEnum):
    """How much a suite protects, worst first."""

    BROKEN = 0
    """No encryption, nobody authenticated, or keys that are found in hours."""
    WEAK = 1
    """RC4, 3DES and others with 64-bit blocks."""
    FAIR = 2
    """AES and its peers in CBC mode, or a key exchange without forward secrecy."""
    GOOD = 3
    """What profile `modern` prefers."""


SCSV: Final = 0x00FF
"""TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 section 3.3): the extension for those who dislike extensions."""

TLS13: Final = (0x1302, 0x1303, 0x1301, 0x1304, 0x1305)

_TABLE: Final = """
1301 TLS_AES_128_GCM_SHA256
1302 TLS_AES_256_GCM_SHA384
1303 TLS_CHACHA20_POLY1305_SHA256
1304 TLS_AES_128_CCM_SHA256
1305 TLS_AES_128_CCM_8_SHA256
c02c ECDHE-ECDSA-AES256-GCM-SHA384
c030 ECDHE-RSA-AES256-GCM-SHA384
c02b ECDHE-ECDSA-AES128-GCM-SHA256
c02f ECDHE-RSA-AES128-GCM-SHA256
cca9 ECDHE-ECDSA-CHACHA20-POLY1305
cca8 ECDHE-RSA-CHACHA20-POLY1305
009f DHE-RSA-AES256-GCM-SHA384
009e DHE-RSA-AES128-GCM-SHA256
ccaa DHE-RSA-CHACHA20-POLY1305
c024 ECDHE-ECDSA-AES256-SHA384
c028 ECDHE-RSA-AES256-SHA384
c023 ECDHE-ECDSA-AES128-SHA256
c027 ECDHE-RSA-AES128-SHA256
c00a ECDHE-ECDSA-AES256-SHA
c014 ECDHE-RSA-AES256-SHA
c009 ECDHE-ECDSA-AES128-SHA
c013 ECDHE-RSA-AES128-SHA
006b DHE-RSA-AES256-SHA256
0067 DHE-RSA-AES128-SHA256
0039 DHE-RSA-AES256-SHA
0033 DHE-RSA-AES128-SHA
009d AES256-GCM-SHA384
009c AES128-GCM-SHA256
003d AES256-SHA256
003c AES128-SHA256
0035 AES256-SHA
002f AES128-SHA
0088 DHE-RSA-CAMELLIA256-SHA
0045 DHE-RSA-CAMELLIA128-SHA
0084 CAMELLIA256-SHA
0041 CAMELLIA128-SHA
0038 DHE-DSS-AES256-SHA
0032 DHE-DSS-AES128-SHA
0096 SEED-SHA
c012 ECDHE-RSA-DES-CBC3-SHA
0016 EDH-RSA-DES-CBC3-SHA
0013 EDH-DSS-DES-CBC3-SHA
000a DES-CBC3-SHA
0007 IDEA-CBC-SHA
c011 ECDHE-RSA-RC4-SHA
0005 RC4-SHA
0004 RC4-MD5
"""
"""What servers of any age speak, strongest first."""

_RARE: Final = """
c008 ECDHE-ECDSA-DES-CBC3-SHA
c007 ECDHE-ECDSA-RC4-SHA
00a3 DHE-DSS-AES256-GCM-SHA384
00a2 DHE-DSS-AES128-GCM-SHA256
006a DHE-DSS-AES256-SHA256
0040 DHE-DSS-AES128-SHA256
c0af ECDHE-ECDSA-AES256-CCM8
c0ad ECDHE-ECDSA-AES256-CCM
c09d AES256-CCM
c09c AES128-CCM
009a DHE-RSA-SEED-SHA
0015 EDH-RSA-DES-CBC-SHA
0012 EDH-DSS-DES-CBC-SHA
0009 DES-CBC-SHA
0064 EXP1024-RC4-SHA
0062 EXP1024-DES-CBC-SHA
0014 EXP-EDH-RSA-DES-CBC-SHA
0011 EXP-EDH-DSS-DES-CBC-SHA
0008 EXP-DES-CBC-SHA
0006 EXP-RC2-CBC-MD5
0003 EXP-RC4-MD5
c019 AECDH-AES256-SHA
c018 AECDH-AES128-SHA
c017 AECDH-DES-CBC3-SHA
c016 AECDH-RC4-SHA
00a7 ADH-AES256-GCM-SHA384
00a6 ADH-AES128-GCM-SHA256
006d ADH-AES256-SHA256
006c ADH-AES128-SHA256
003a ADH-AES256-SHA
0034 ADH-AES128-SHA
001b ADH-DES-CBC3-SHA
0018 ADH-RC4-MD5
001a ADH-DES-CBC-SHA
0019 EXP-ADH-DES-CBC-SHA
0017 EXP-ADH-RC4-MD5
c010 ECDHE-RSA-NULL-SHA
c006 ECDHE-ECDSA-NULL-SHA
003b NULL-SHA256
0002 NULL-SHA
0001 NULL-MD5
"""
"""What hardly any server speaks: asked for on its own, so that no hello has more than 64 suites."""


def _read(table: str) -> dict[int, str]:
    pairs = (line.split() for line in table.split("\n") if line)
    return {int(code, 16): name for code, name in pairs}


_COMMON_NAMES: Final = _read(_TABLE)
_RARE_NAMES: Final = _read(_RARE)
NAMES: Final = {**_COMMON_NAMES, **_RARE_NAMES}
CODES: Final = {name: code for code, name in NAMES.items()}

OLD_FEW: Final = (0x0039, 0x0033, 0x0035, 0x002F, 0x0016, 0x000A, 0x0005, 0x0004)
"""The eight suites of `hello: short` and `bare`."""


def name_of(code: int) -> str:
    """OpenSSL's name of a suite, or its number."""
    return NAMES.get(code, f"0x{code:04x}")


def common(version: TlsVersion) -> tuple[int, ...]:
    """The usual suites that exist in a version, strongest first."""
    return _of(_COMMON_NAMES, version)


def rare(version: TlsVersion) -> tuple[int, ...]:
    """The unusual ones."""
    return () if version is TlsVersion.TLSv1_3 else _of(_RARE_NAMES, version)


def _of(names: dict[int, str], version: TlsVersion) -> tuple[int, ...]:
    if version is TlsVersion.TLSv1_3:
        return TLS13
    return tuple(code for code, name in names.items() if code >> 8 != 0x13 and _exists(name, version))


def _exists(name: str, version: TlsVersion) -> bool:
    if version is TlsVersion.TLSv1_2:
        return True
    if version is TlsVersion.SSLv3 and name.startswith(("ECDHE", "AECDH")):
        return False
    return not name.endswith(("SHA256", "SHA384", "POLY1305", "CCM", "CCM8"))


def grade(name: str) -> Grade:
    """How much a suite protects."""
    if name.startswith(("EXP", "ADH", "AECDH", "NULL")) or "-NULL-" in name or "DES-CBC-" in name:
        return Grade.BROKEN
    if any(word in name for word in ("RC4", "DES", "IDEA", "SEED", "MD5")):
        return Grade.WEAK
    if name.startswith("TLS_"):
        return Grade.GOOD
    strong = any(word in name for word in ("GCM", "POLY1305", "CCM"))
    return Grade.GOOD if strong and name.startswith(("ECDHE", "DHE-RSA")) else Grade.FAIR


def is_anonymous(name: str) -> bool:
    """Whether the server shows no certificate."""
    return name.startswith(("ADH", "AECDH", "EXP-ADH"))
