"""nginx (Debian) in the foreground with one worker: what every configuration of the benchmarks begins with."""

import os
import shutil
import subprocess
from pathlib import Path

_CONFIGURATION = """{user}
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log error;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  client_body_temp_path {directory}/nginx-body;
  proxy_temp_path {directory}/nginx-proxy;
  fastcgi_temp_path {directory}/nginx-fastcgi;
  uwsgi_temp_path {directory}/nginx-uwsgi;
  scgi_temp_path {directory}/nginx-scgi;
{http}
}}
"""


def command(directory: Path, http: str, connections: int) -> list[str]:
    """Writes nginx.conf with `http` inside its `http` block, and says how to start it.

    `connections` counts both hops.
    """
    path = directory / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    path.write_text(
        _CONFIGURATION.format(
            user=user, directory=directory, files=2 * connections, connections=connections, http=http.strip("\n")
        )
    )
    return [binary(), "-c", str(path), "-p", str(directory), "-e", "stderr"]


def missing() -> str:
    """Why it cannot run here, or nothing."""
    return "" if binary() else "apt-get install nginx-light"


def version() -> str:
    """`1.22.1`."""
    said = subprocess.run([binary(), "-v"], capture_output=True, text=True, timeout=20, check=False).stderr
    return said.strip().removeprefix("nginx version: nginx/")


def binary() -> str:
    """Where it is; empty when it is missing."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
