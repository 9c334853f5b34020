"""Real servers of the past, on loopback."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from needs import needs

from broker.testing.pki import Issued


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], port: int) -> Iterator[int]:
    """Run a server until the end of the block, from when it accepts connections."""
    # In a session of its own: Apache ends its whole process group.
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    server = subprocess.Popen(command, start_new_session=True, **pipes)
    reader = threading.Thread(target=server.communicate)
    try:
        _wait(port, server)
        reader.start()
        yield port
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
        if reader.ident is None:
            server.communicate()
        else:
            reader.join()


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        assert server.poll() is None, server.communicate()[0].decode()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


def s_server(directory: Path, identity: Issued, *options: str) -> AbstractContextManager[int]:
    """`openssl s_server -www`: HTTP/1.0, each answer ends with the connection."""
    chain, key = identity.write(directory, "s_server")
    port = free_port()
    command = [needs("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-quiet"]
    return process([*command, "-cert", str(chain), "-cert_chain", str(chain), "-key", str(key), *options], port)


_NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {chain}; ssl_certificate_key {key};
        ssl_protocols {protocols}; ssl_ciphers {ciphers};
        location / {{ {place} }}
    }}
}}
"""


_SPEAKS = 'return 200 "nginx speaks $ssl_protocol\\n";'


def nginx(
    directory: Path, identity: Issued, protocols: str, ciphers: str, place: str = _SPEAKS
) -> AbstractContextManager[int]:
    """nginx with these protocols and ciphers; `place`: what it does at every path."""
    program, port = needs("nginx"), free_port()
    chain, key = identity.write(directory, "nginx")
    speaks = {"protocols": protocols, "ciphers": ciphers}
    text = _NGINX.format(directory=directory, port=port, chain=chain, key=key, place=place, **speaks)
    config = directory / "nginx.conf"
    config.write_text(text)
    return process([program, "-c", str(config), "-p", str(directory), "-e", str(directory / "error.log")], port)


@contextmanager
def accepting(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A thread that serves one connection after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        stopping = threading.Event()

        def run() -> None:
            while True:
                connection, _ = listening.accept()
                with connection:
                    if stopping.is_set():
                        return
                    connection.settimeout(5)
                    try:
                        serve(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield port
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


@contextmanager
def http_1_0(context: ssl.SSLContext, body: bytes = b"until the end", *, says_goodbye: bool = True) -> Iterator[int]:
    """HTTP/1.0 over TLS without Content-Length: the end of the connection is the end of the answer."""

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            while not tls.recv(65536).endswith(b"\r\n\r\n"):
                pass
            tls.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body)
            if says_goodbye:
                tls.unwrap().close()

    with accepting(serve) as port:
        yield port
