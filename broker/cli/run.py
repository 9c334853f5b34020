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
    # Before the start, which reads the file anyway: by default the signal ends the process.
    loop.add_signal_handler(signal.SIGHUP, app.reload, "SIGHUP")
    await app.start()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await stop.wait()
    await app.drain()
    return 0
