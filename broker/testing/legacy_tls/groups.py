"""Diffie-Hellman groups too small to be safe, made with `openssl dhparam`."""

DH_512 = (
    2,
    int(
        "9f0b35b4992d8f081b61d65051e9442210dab99a02ed6329ba38b2faea6f06e29e012f8882c454c52b77340498efe14d"
        "a1c6e925f666235710633830d8e82ca7",
        16,
    ),
)
DH_768 = (
    2,
    int(
        "c55a5df922a5e626dbbc7f93185668db7eea6fdf1c723563b5add1ce7c9e21e17e2f2ed5371a297b57b886475d16c70a"
        "e2732bb0db6c854276af12eed54a25c7c9fe0e9005ef691443226a2177e6e480a51cabe9b05b79a837aa590409721497",
        16,
    ),
)
DH_1024 = """\
-----BEGIN DH PARAMETERS-----
MIGHAoGBAK9EfpfT6+Q36ovkwbmwWpvhjGy1URUsPRQTVEl4hROOf/zKqED+0yX0
EUqouCU7S5BjlS1tNCV6rq/C17Sw9GIgv7LSRFTu+0xOUx620foke3x5maQyImIB
rDH7tLjsCUtIZSYL6GPMLXfVpp1NtNNMtV9MYsjfb8lgHWdZHT8fAgEC
-----END DH PARAMETERS-----
"""
