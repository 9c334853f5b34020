"""`broker run`: serve until told to stop."""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from broker.app import App, StartError
from broker.cli.common import add_config, complain, new_loop
from broker.compile import CompileError
from broker.config.load import ConfigError

NAME = "run"
HELP = "serve the routes of a file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`-c`."""
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 after SIGTERM or SIGINT; 2, after one clear line for each reason, when it cannot start."""
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(serve(args.config))
    except (ConfigError, CompileError, StartError) as error:
        return complain(args.config, error)


async def serve(path: Path) -> int:
    """Start, wait for a signal, drain; a second one ends the process at once. SIGHUP reads the file again."""
    app = App(path)
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()
    starting = loop.create_task(app.start())

    def on_signal(number: int) -> None:
        if told.done():
            os._exit(1)
        told.set_result(number)
        starting.cancel()

    # Before the start, which reads the file: a SIGHUP that comes from then on is followed by a reload, and none before
    # needs one. Process 1 of a container has no default for the other signals.
    loop.add_signal_handler(signal.SIGHUP, app.reload, "SIGHUP")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        await starting
    except asyncio.CancelledError:
        if not told.done():
            raise
        return 0
    # Who presses Ctrl-C waits for nobody to notice.
    await app.drain(grace=await told != signal.SIGINT)
    return 0
