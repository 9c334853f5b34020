#!/bin/sh
# Install the Debian packages that tests need, where that is allowed; elsewhere the tests that miss one are skipped.
# Usage: debian-packages.sh SUDO PACKAGE…   (SUDO: empty as root, `sudo -n`, or `no`)
sudo=$1
shift
missing=""
for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$sudo" = no ] || ! command -v apt-get >/dev/null; then
    echo "cannot install:$missing (needs apt and root or sudo); tests that need them are skipped" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# Installed servers must not start: tests run their own, on loopback.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null && $sudo chmod +x "$policy" && made=yes
fi
$sudo apt-get update -q >/dev/null && $sudo apt-get install -q -y --no-install-recommends $missing >/dev/null
code=$?
[ "$made" = yes ] && $sudo rm -f "$policy"
[ $code -eq 0 ] || echo "could not install:$missing; tests that need them are skipped" >&2
exit 0
