"""Public-key arithmetic that tlslite would do with limits or pauses of its own."""

import secrets
import time
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo
from tlslite.errors import TLSIllegalParameterException
from tlslite.keyexchange import DHE_RSAKeyExchange

from broker.tls.errors import TlsFailure

_LEAST_BITS: Final = 512
_MOST_BITS: Final = 10_000
_SECRET_BITS: Final = 256
_WINDOW: Final = 4


def power(base: int, exponent: int, modulus: int) -> int:
    """`pow`, in steps between which other threads run: one `pow` of 4096 bits holds them all for ten milliseconds."""
    table = [1]
    for _ in range((1 << _WINDOW) - 1):
        table.append(table[-1] * base % modulus)
    result = 1
    pause = max(1, 2**24 // modulus.bit_length() ** 2)
    for index in reversed(range(0, exponent.bit_length(), _WINDOW)):
        for _ in range(_WINDOW):
            result = result * result % modulus
        result = result * table[exponent >> index & (1 << _WINDOW) - 1] % modulus
        if not index // _WINDOW % pause:
            time.sleep(0)
    return result


class FiniteFieldExchange(DHE_RSAKeyExchange):  # type: ignore[misc]
    """Diffie-Hellman with groups from 512 bits: tlslite's own refuses what is below 1024."""

    def processServerKeyExchange(self, srvPublicKey: object, serverKeyExchange: Any) -> bytearray:  # noqa: N802, N803
        """Make our share; returns the premaster secret."""
        prime, generator, share = serverKeyExchange.dh_p, serverKeyExchange.dh_g, serverKeyExchange.dh_Ys
        bits = prime.bit_length()
        if bits < _LEAST_BITS:
            raise TlsFailure("DH_KEY_TOO_SMALL", f"the server's Diffie-Hellman group has only {bits} bits")
        if bits > _MOST_BITS:
            raise TlsFailure("MODULUS_TOO_LARGE", f"the server's Diffie-Hellman group has {bits} bits")
        if not (1 < generator < prime and 1 < share < prime - 1):
            raise TLSIllegalParameterException("the server's Diffie-Hellman share is out of range")
        secret = secrets.randbits(_SECRET_BITS) | 1 << _SECRET_BITS - 1
        self.dh_Yc = power(generator, secret, prime)
        shared = power(share, secret, prime)
        if shared <= 1:
            raise TLSIllegalParameterException("the server's Diffie-Hellman share is degenerate")
        return bytearray(shared.to_bytes((shared.bit_length() + 7) // 8, "big"))


class ClientKey:
    """The broker's private key, as tlslite calls it; the arithmetic is OpenSSL's."""

    key_type = "rsa"

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key

    def sign(self, data: bytes, *_: object) -> bytearray:
        """Sign what tlslite prepared: a bare digest up to TLS 1.1, a DigestInfo in TLS 1.2."""
        return bytearray(self._key.sign(bytes(data), PKCS1v15(), NoDigestInfo()))

    def verify(self, *_: object) -> bool:
        """Whether the signature just made is right: OpenSSL checked it before it gave it away."""
        return True
