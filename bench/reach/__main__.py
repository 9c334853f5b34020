"""`python -m bench.reach`: serves legacy TLS servers and tries to reach each with the broker and with other proxies."""

import argparse
import datetime as dt
import platform
import ssl
import sys
from importlib.metadata import version

from bench.cases.case import say
from bench.machine import _distribution
from bench.peers.setup import first_line
from bench.reach import page, tables
from bench.reach.run import CHOSEN, PROXIES, try_all
from broker.tls import private


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.reach", description=__doc__)
    parser.add_argument("--only", metavar="CASE", nargs="+", help="some cases, by name")
    parser.add_argument("--publish", action="store_true", help=f"write the tables into {page.PAGE.name}")
    options = parser.parse_args()
    if unknown := [name for name in options.only or () if name not in CHOSEN]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(CHOSEN)}")
    if options.only and options.publish:
        parser.error("--publish takes all cases")
    return options


def facts() -> dict[str, str]:
    """What all this was found on."""
    openssl = first_line("openssl", "version").split()[1]
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "system": f"{_distribution()}; nginx, HAProxy and stunnel are its packages and use its OpenSSL {openssl}, "
        "with an `openssl.cnf` that sets MinProtocol = None, CipherString = ALL:COMPLEMENTOFALL:@SECLEVEL=0 and "
        "Options = UnsafeLegacyRenegotiation, UnsafeLegacyServerConnect, -EmptyFragments",
        "broker": f"{version('tls-broker')} on CPython {platform.python_version()}; engines: {_engines()}",
    }


def _engines() -> str:
    found = {
        "system": _short(ssl.OPENSSL_VERSION),
        "tlslite": f"tlslite-ng {version('tlslite-ng')}",
        "private": _short(private.version()) or "not built",
    }
    return ", ".join(f"{name}: {value}" for name, value in found.items())


def _short(text: str) -> str:
    return " ".join(text.split()[:2])


def main() -> None:
    """Entry point."""
    options = arguments()
    rows = try_all([CHOSEN[name] for name in options.only or CHOSEN])
    proxies = [proxy for proxy in PROXIES.values() if not proxy.missing()]
    for proxy in PROXIES.values():
        if reason := proxy.missing():
            say(f"{proxy.label} is left out: {reason}")
    parts = {
        "cases": tables.cases(rows),
        "comparison": f"{tables.comparison(rows, proxies)}\n\n{tables.notes(proxies, facts())}",
    }
    print("\n\n".join(parts.values()))
    if options.publish:
        if len(rows) < len(CHOSEN) or len(proxies) < len(PROXIES) or not private.available():
            sys.exit("not published: something is left out, see above")
        page.publish(parts)
        say(f"wrote {page.PAGE}")


if __name__ == "__main__":
    main()
