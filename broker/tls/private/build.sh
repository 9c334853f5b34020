#!/bin/sh
# Build the private OpenSSL (SSLv3, RC4, 3DES) as one library that exports only what obsolete_tls.h names.
# Usage: build.sh WORK LIBRARY
#   WORK     where sources are unpacked and built; WORK/openssl is the command-line program, for tests
#   LIBRARY  the file to make
# The source is Debian's or Ubuntu's own openssl package, fetched and verified by apt; elsewhere name an OpenSSL 3
# source archive with OPENSSL_SOURCE. Needs gcc, make, perl and patch.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$1
library=$2
mkdir -p "$work" "$(dirname "$library")"
work=$(cd "$work" && pwd)

die() {
    echo "obsolete-tls: $1" >&2
    exit 1
}

for tool in gcc make perl patch tar; do
    command -v "$tool" >/dev/null || die "$tool is missing: install gcc, make, perl, patch and libc6-dev"
done

# apt with source entries beside the binary ones that this machine trusts already, and with lists of its own.
source_apt() {
    (cd "$work/source" && apt-get -q -o Dir::Etc::sourcelist="$work/apt/deb.list" \
        -o Dir::Etc::sourceparts="$work/apt/parts" -o Dir::State::lists="$work/apt/lists" \
        -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 -o Dir::Cache="$work/apt/cache" "$@")
}

fetch() {
    command -v apt-get >/dev/null || die "no apt here: set OPENSSL_SOURCE to an OpenSSL 3 source archive"
    mkdir -p "$work/apt/parts" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    : >"$work/apt/deb.list"
    if [ -e /etc/apt/sources.list ]; then
        sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$work/apt/deb.list"
    fi
    for file in /etc/apt/sources.list.d/*.list; do
        [ -e "$file" ] && sed -n 's/^deb /deb-src /p' "$file" >"$work/apt/parts/$(basename "$file")"
    done
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources; do
        [ -e "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/apt/parts/$(basename "$file")"
    done
    source_apt update >/dev/null || die "apt cannot update the source lists"
    source_apt source --download-only openssl >/dev/null 2>&1 ||
        source_apt source --download-only --tar-only openssl >/dev/null || die "apt cannot fetch the openssl source"
}

unpack() {
    rm -rf "$work/source" "$work/tree"
    mkdir -p "$work/source" "$work/tree"
    if [ -n "${OPENSSL_SOURCE:-}" ]; then
        tar xf "$OPENSSL_SOURCE" --strip-components=1 -C "$work/tree"
        return
    fi
    fetch
    tar xf "$work"/source/openssl_*.orig.tar.* --strip-components=1 -C "$work/tree" 2>/dev/null ||
        tar xf "$(ls "$work"/source/openssl_*.orig.tar.?z)" --strip-components=1 -C "$work/tree"
    for patches in "$work"/source/openssl_*.debian.tar.*; do
        [ -e "$patches" ] || continue
        tar xf "$patches" -C "$work/tree"
        grep -v '^#' "$work/tree/debian/patches/series" | while read -r name _; do
            [ -z "$name" ] || patch -s -p1 -d "$work/tree" <"$work/tree/debian/patches/$name"
        done
    done
}

compile() {
    (cd "$work/tree" && ./Configure --prefix=/nonexistent --openssldir=/nonexistent --libdir=lib no-shared no-module \
        no-tests no-dso no-engine no-afalgeng no-zlib enable-ssl3 enable-ssl3-method enable-weak-ssl-ciphers \
        -fPIC -fvisibility=hidden && make -j"$(nproc)" build_libs && make -j"$(nproc)" apps/openssl) \
        >"$work/build.log" 2>&1 || die "the build of OpenSSL failed, see $work/build.log"
    cp "$work/tree/apps/openssl" "$work/openssl"
}

link() {
    gcc -O2 -fPIC -fvisibility=hidden -Wall -Wextra -shared -o "$library.new" -I"$work/tree/include" \
        "$here/obsolete_tls.c" "$work/tree/libssl.a" "$work/tree/libcrypto.a" \
        -Wl,--version-script="$here/obsolete_tls.map" -Wl,-Bsymbolic -Wl,--exclude-libs,ALL -Wl,-z,defs \
        -Wl,-z,relro,-z,now -Wl,--strip-all -lpthread -ldl
    mv "$library.new" "$library"
}

[ -e "$work/tree/libssl.a" ] && [ -e "$work/openssl" ] || { unpack && compile; }
link
echo "obsolete-tls: made $library from $("$work/openssl" version)" >&2
