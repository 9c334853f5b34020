"""`broker demo`: a legacy endpoint that a TLS 1.2 client cannot reach, then reached through the broker."""

import argparse
import os
import signal
import sys
import time
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from broker.config.faults import ConfigError
from broker.config.load import load
from broker.testing.demo import setup
from broker.testing.demo.process import BrokerProcess, BrokerProcessError
from broker.testing.demo.setup import Setup, SetupError
from broker.testing.demo.story import REST_PATH, Story, StoryError
from broker.testing.devpki import CannotIssueError
from broker.testing.legacy import LegacyEndpoint

NAME = "demo"
HELP = "show a legacy endpoint that a TLS 1.2 client cannot reach, reached through the broker"

_DEFAULT = Path("routes.yaml")
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="default: routes.yaml if it calls the bundled endpoint, else a temporary one on free ports",
    )
    parser.add_argument("--once", action="store_true", help="exit when all was shown: 0, or 1 if a step failed")


def run(args: argparse.Namespace) -> int:
    """Show everything, then serve until stopped unless told to do it once."""
    for number in _STOPS:
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as stack:
        try:
            return _demonstrate(args, stack)
        except (SetupError, CannotIssueError, ConfigError, OSError) as error:
            print(f"broker demo: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 1 if args.once else 0
        finally:
            _ignore_stops()


def _ignore_stops() -> None:
    # Everything is being stopped by now; a second Ctrl-C would leave the broker behind.
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)


def _demonstrate(args: argparse.Namespace, stack: ExitStack) -> int:
    is_new_key = setup.set_secrets()
    found = _find(args.config, stack)
    setup.require_free(found.listener, "the broker")
    setup.require_free(found.admin, "the admin API")
    stack.enter_context(_legacy(found))
    broker = BrokerProcess(found.path, setup.reachable(found.admin))
    try:
        _tell(Story(found), broker, stack)
        if not args.once:
            _serve(found, broker, is_new_key)
    except (StoryError, BrokerProcessError, OSError, HTTPException) as error:
        print(f"   FAILED: {error}\n{broker.output}", file=sys.stderr)
        return 1
    return 0


def _find(given: Path | None, stack: ExitStack) -> Setup:
    if given and not given.is_file():
        raise SetupError(f"there is no file {given}")
    if given or setup.calls_bundled_endpoint(_DEFAULT):
        path = given or _DEFAULT
    else:
        path = setup.write_files(Path(stack.enter_context(TemporaryDirectory(prefix="broker-demo-"))))
    if setup.calls_bundled_endpoint(path):
        setup.make_certificates(path.parent / "certs")
    return setup.from_config(path, load(path))


def _legacy(found: Setup) -> LegacyEndpoint:
    identity = found.certs / "legacy.crt", found.certs / "legacy.key"
    try:
        return LegacyEndpoint(
            identity,
            host=found.legacy.host,
            port=found.legacy.port,
            username=os.environ["LEGACY_USER"],
            password=os.environ["LEGACY_PASSWORD"],
        )
    except OSError as error:
        raise setup.unavailable(found.legacy, "the legacy endpoint", error) from None


def _tell(story: Story, broker: BrokerProcess, stack: ExitStack) -> None:
    story.legacy_refuses_tls_1_2()
    stack.enter_context(broker)
    broker.wait_ready()
    story.broker_started()
    story.soap_is_answered()
    story.rest_is_answered()
    story.stranger_is_refused()
    story.calls_were_counted()


def _serve(found: Setup, broker: BrokerProcess, is_new_key: bool) -> None:
    # A key that came with the environment is not shown.
    key = os.environ["FNO_API_KEY"] if is_new_key else "$FNO_API_KEY"
    address = setup.url(found.server, "https") + REST_PATH
    print("\nServing until Ctrl-C. Call it from another terminal in this directory:\n")
    print(f'curl --cacert {setup.shown(found.certs / "ca.crt")} -H "X-Api-Key: {key}" {address}\n', flush=True)
    broker.echo = True
    while broker.exit_code is None:
        time.sleep(0.2)
    raise BrokerProcessError(f"the broker exited with {broker.exit_code}")
