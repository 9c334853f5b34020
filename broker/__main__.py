"""The `broker` command."""

import argparse
import signal
import sys

from broker import __version__


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit code (0 good, 1 the verb found faults, 2 it could not do its work)."""
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["run"]:
        # What SIGHUP does by default is to end the process. Until `serve` takes it over the file has not been read yet,
        # so there is nothing to do for it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Only now, since it takes most of a second.
    from broker.cli import VERBS

    parser = argparse.ArgumentParser(prog="broker", description="A two-hop TLS broker.")
    parser.add_argument("--version", action="version", version=f"broker {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        child = verbs.add_parser(verb.NAME, help=verb.HELP, description=verb.HELP)
        verb.add_arguments(child)
        child.set_defaults(run=verb.run)
    args = parser.parse_args(given)
    try:
        code: int = args.run(args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
