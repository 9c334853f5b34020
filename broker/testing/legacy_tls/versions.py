"""Cases of old protocol versions and ciphers."""

from broker.testing.legacy_tls.s_server import plain, weak

CASES = (
    weak("ssl3-only", "SSLv3 only, AES and 3DES", "-ssl3", ciphers="AES128-SHA:DES-CBC3-SHA"),
    weak("ssl3-rc4-md5", "SSLv3 only, RC4-MD5 only", "-ssl3", ciphers="RC4-MD5"),
    weak("tls10-rc4-only", "TLS 1.0 only, RC4-SHA and RC4-MD5 only", "-tls1", ciphers="RC4-SHA:RC4-MD5"),
    weak("tls10-3des-only", "TLS 1.0 only, 3DES only", "-tls1", ciphers="DES-CBC3-SHA"),
    plain("tls10-aes-cbc", "TLS 1.0 only, AES-CBC only", "-tls1", ciphers="AES128-SHA:AES256-SHA"),
    plain("tls11-only", "TLS 1.1 only", "-tls1_1"),
    plain("tls12-rsa-cbc", "TLS 1.2 with RSA key exchange and AES-CBC only", "-tls1_2", ciphers="AES128-SHA"),
)
