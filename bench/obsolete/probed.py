"""`python -m bench.obsolete.probed FILE run -c ROUTES`: the broker, with a probe in its event loop."""

import asyncio
import sys
from pathlib import Path

from bench.obsolete.probe import Probe
from broker.__main__ import main
from broker.cli import run
from broker.cli.common import new_loop

_probes: list[Probe] = []


def _probed_loop() -> asyncio.AbstractEventLoop:
    loop = new_loop()
    loop.call_soon(lambda: _probes.append(Probe(loop)))
    return loop


if __name__ == "__main__":
    run.new_loop = _probed_loop  # type: ignore[attr-defined]
    try:
        code = main(sys.argv[2:])
    finally:
        _probes[0].save(Path(sys.argv[1]))
    sys.exit(code)
