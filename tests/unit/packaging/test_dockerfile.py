"""The Dockerfile, read as text: no engine builds it here."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def stages(root: Path) -> list[list[Instruction]]:
    """The instructions of each stage, the stage's FROM first."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", (root / "Dockerfile").read_text(), flags=re.MULTILINE))
    instructions = [
        (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1].strip()) for line in text.splitlines() if line
    ]
    found: list[list[Instruction]] = []
    for instruction in instructions:
        if instruction[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def values(stage: list[Instruction], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def test_all_stages_start_from_the_same_slim_image(root: Path, stages: list[list[Instruction]]) -> None:
    assert [stage[0][1].partition(" ")[0] for stage in stages] == ["${PYTHON_IMAGE}"] * 3
    image = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (root / "Dockerfile").read_text(), re.MULTILINE)
    assert image is not None
    assert re.fullmatch(r"python:3\.\d+-slim-bookworm", image[1])


def test_runs_as_a_numeric_user_that_is_not_root(stages: list[list[Instruction]]) -> None:
    assert values(stages[-1], "USER") == ["10001:10001"]
    instructions = [name for name, _ in stages[-1]]
    assert instructions.index("RUN") < instructions.index("USER")


def test_starts_the_broker_without_a_shell(stages: list[list[Instruction]]) -> None:
    runtime = stages[-1]
    assert json.loads(values(runtime, "ENTRYPOINT")[0]) == ["broker"]
    assert json.loads(values(runtime, "CMD")[0]) == ["run", "-c", "/etc/broker/routes.yaml"]
    assert values(runtime, "STOPSIGNAL") == ["SIGTERM"]
    assert values(runtime, "EXPOSE") == ["8443 9090"]


def test_installs_what_the_constraints_file_says_and_the_providers_of_secrets(stages: list[list[Instruction]]) -> None:
    [run] = values(stages[0], "RUN")
    assert "--constraint constraints.txt" in run
    assert "[azure,vault]" in run


def test_copies_only_what_exists_and_is_in_the_build_context(root: Path, stages: list[list[Instruction]]) -> None:
    allowed = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [source for copy in values(stages[0], "COPY") for source in copy.split()[:-1]]
    assert set(sources) == allowed
    assert [source for source in sources if not (root / source).exists()] == []


def test_labels_name_the_version_of_the_package(root: Path, stages: list[list[Instruction]]) -> None:
    project = (root / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert version is not None
    assert f"VERSION={version[1]}" in values(stages[-1], "ARG")
    assert "org.opencontainers.image.licenses" in values(stages[-1], "LABEL")[0]


class _Admin(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin() -> Iterator[HTTPServer]:
    """A server in the place of the admin port."""
    server = HTTPServer(("127.0.0.1", 0), _Admin)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def health_check(stages: list[list[Instruction]], port: int) -> int:
    [check] = values(stages[-1], "HEALTHCHECK")
    program, *arguments = json.loads(check.partition("CMD ")[2])
    assert program == "python"
    assert "'127.0.0.1', 9090" in arguments[-1]
    arguments[-1] = arguments[-1].replace("9090", str(port))
    environment = {"http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL, timeout=20
    ).returncode


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_health_check_tells_healthy_from_not(
    stages: list[list[Instruction]], admin: HTTPServer, monkeypatch: pytest.MonkeyPatch, status: int, healthy: bool
) -> None:
    monkeypatch.setattr(_Admin, "status", status)
    assert (health_check(stages, admin.server_port) == 0) is healthy


def test_health_check_fails_when_nobody_answers(stages: list[list[Instruction]], admin: HTTPServer) -> None:
    free = HTTPServer(("127.0.0.1", 0), _Admin)
    port = free.server_port
    free.server_close()
    assert health_check(stages, port) != 0


def test_has_the_private_openssl_where_the_broker_looks_for_it(stages: list[list[Instruction]]) -> None:
    copied = [rest for rest in values(stages[-1], "COPY") if "obsolete" in rest]
    assert copied == ["--from=obsolete-tls /obsolete_tls.so /opt/broker/lib/broker/obsolete_tls.so"]
