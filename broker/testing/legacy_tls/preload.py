"""Loopback only for servers that cannot be told what to bind to."""

import subprocess
from pathlib import Path

from broker.testing.legacy_tls import programs

NEEDS = "cc"

_SOURCE = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>

int bind(int s, const struct sockaddr *address, socklen_t length) {
    static const struct in6_addr loopback4 = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}}};
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    struct sockaddr_storage copy;
    int only6 = 0;
    socklen_t size = sizeof only6;
    if (length > sizeof copy) return real(s, address, length);
    memcpy(&copy, address, length);
    if (address->sa_family == AF_INET) ((struct sockaddr_in *)&copy)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (address->sa_family == AF_INET6) {
        getsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &only6, &size);
        ((struct sockaddr_in6 *)&copy)->sin6_addr = only6 ? in6addr_loopback : loopback4;
    }
    return real(s, (struct sockaddr *)&copy, length);
}
"""


def environment(directory: Path) -> dict[str, str]:
    """Variables that keep a program's listening sockets on loopback; the library is compiled into the directory."""
    source, library = directory / "loopback.c", directory / "loopback.so"
    source.write_text(_SOURCE)
    subprocess.run(
        [programs.require(NEEDS), "-shared", "-fPIC", "-o", library, source], check=True, capture_output=True
    )
    return {"LD_PRELOAD": str(library)}
