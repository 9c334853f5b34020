"""Bulk ciphers for tlslite's records, from `cryptography`: its own are pure Python, a thousand times slower."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4, TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC


class _Contexts:
    """One direction of one connection; tlslite uses each object one way only, so that one context stays unused."""

    isAEAD = False  # noqa: N815
    implementation = "cryptography"

    def __init__(self, name: str, cipher: Cipher[Any]) -> None:
        self.name = name
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update

    def encrypt(self, plaintext: bytes) -> bytearray:
        return bytearray(self._encrypt(plaintext))

    def decrypt(self, ciphertext: bytes) -> bytearray:
        return bytearray(self._decrypt(ciphertext))


class _Stream(_Contexts):
    isBlockCipher = False  # noqa: N815


class _Block(_Contexts):
    isBlockCipher = True  # noqa: N815

    def __init__(self, name: str, cipher: Cipher[Any], block_size: int) -> None:
        super().__init__(name, cipher)
        self.block_size = block_size


class _Gcm:
    isBlockCipher = False  # noqa: N815
    isAEAD = True  # noqa: N815
    implementation = "cryptography"
    nonceLength = 12  # noqa: N815
    tagLength = 16  # noqa: N815

    def __init__(self, key: bytes) -> None:
        self.name = f"aes{len(key) * 8}gcm"
        self._cipher = AESGCM(key)

    def seal(self, nonce: bytes, plaintext: bytes, data: bytes) -> bytearray:
        return bytearray(self._cipher.encrypt(bytes(nonce), bytes(plaintext), bytes(data)))

    def open(self, nonce: bytes, ciphertext: bytes, data: bytes) -> bytearray | None:
        try:
            return bytearray(self._cipher.decrypt(bytes(nonce), bytes(ciphertext), bytes(data)))
        except InvalidTag:
            return None


def _aes(key: bytes, iv: bytes, _: object = None) -> _Block:
    return _Block(f"aes{len(key) * 8}", Cipher(AES(bytes(key)), CBC(bytes(iv))), 16)


def _triple_des(key: bytes, iv: bytes, _: object = None) -> _Block:
    return _Block("3des", Cipher(TripleDES(bytes(key)), CBC(bytes(iv))), 8)


def _rc4(key: bytes, _: bytes, __: object = None) -> _Stream:
    return _Stream("rc4", Cipher(ARC4(bytes(key)), None))


def _gcm(key: bytes, _: object = None) -> _Gcm:
    return _Gcm(bytes(key))


FACTORIES: Final[dict[str, Callable[..., object]]] = {
    "createAES": _aes,
    "createAESGCM": _gcm,
    "createRC4": _rc4,
    "createTripleDES": _triple_des,
}
"""By the name of tlslite's factory, with its arguments."""


@lru_cache(maxsize=1)
def missing() -> frozenset[str]:
    """The ciphers, as cipher lists name them, that this build of `cryptography` lacks: some have no legacy ones."""
    lacking = set()
    for word, make in (
        ("RC4", lambda: _rc4(bytes(16), b"")),
        ("3DES", lambda: _triple_des(bytes(range(24)), bytes(8))),
    ):
        try:
            make()
        except (UnsupportedAlgorithm, ValueError):
            lacking.add(word)
    return frozenset(lacking)
