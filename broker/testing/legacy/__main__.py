"""Run the legacy endpoint alone: `python -m broker.testing.legacy --port 8444`."""

import argparse
import os
import signal
import ssl
import sys
from pathlib import Path

from broker.testing.legacy.endpoint import LegacyEndpoint

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m broker.testing.legacy", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8444)
    parser.add_argument("--chain", type=Path, default=Path("certs/legacy.crt"))
    parser.add_argument("--key", type=Path, default=Path("certs/legacy.key"))
    parser.add_argument("--min-tls", choices=_VERSIONS, default="1.0")
    parser.add_argument("--max-tls", choices=_VERSIONS, default="1.0")
    parser.add_argument("--ciphers", default="ALL:@SECLEVEL=0")
    parser.add_argument("--plain", action="store_true", help="plain HTTP")
    parser.epilog = "Credentials come from LEGACY_USER and LEGACY_PASSWORD."
    return parser.parse_args()


def _endpoint(args: argparse.Namespace) -> LegacyEndpoint:
    return LegacyEndpoint(
        None if args.plain else (args.chain, args.key),
        host=args.host,
        port=args.port,
        username=os.environ.get("LEGACY_USER", "warehouse"),
        password=os.environ.get("LEGACY_PASSWORD", "warehouse"),
        minimum=_VERSIONS[args.min_tls],
        maximum=_VERSIONS[args.max_tls],
        ciphers=args.ciphers,
    )


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    args = _arguments()
    signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked before any thread starts, so that every thread leaves them to sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        endpoint = _endpoint(args)
    except OSError as error:
        print(f"{args.host}:{args.port}: {error}", file=sys.stderr)
        return 2
    with endpoint:
        print(f"legacy endpoint at {endpoint.url}", flush=True)
        signal.sigwait(signals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
