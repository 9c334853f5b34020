"""No secret shows: not in logs, metrics and errors, not in what commands print and objects say of themselves."""

import asyncio
import base64
import gc
import io
import json
import logging
import os
import subprocess
import sys
import textwrap
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import secret_watch
from scenario_secrets import AUTHORITY, IDENTITY
from secret_places import FORMS, MODES, TOKENS, Places, as_yaml, secret, upstream
from secret_watch import forms
from yarl import URL

from broker.__main__ import main
from broker.app import App
from broker.compile import CompileError
from broker.config.load import ConfigError, examine_text
from broker.core.plan import RoutePlan
from broker.core.secret import Secret
from broker.credentials.flow import Call, Flow
from broker.observe.logs import JsonFormatter
from broker.observe.redact import Redactor
from broker.testing.contexts import client_context, server_context
from broker.testing.issuer import Issuer
from broker.testing.raw import RawUpstream

PATIENCE = 60
SOAP = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><a/></s:Body></s:Envelope>'
SOAP_HEADERS = {"SOAPAction": '"urn:a"', "Content-Type": "text/xml; charset=utf-8"}


def leaks(text: str, secrets: dict[str, bytes]) -> list[str]:
    """Which of the secrets stand in the text, in which encoding, and where."""
    return [
        f"{name}, {how}: {line.strip()[:600]}"
        for name, value in secrets.items()
        for form, how in shapes(value).items()
        if form in text
        for line in text.splitlines()
        if form in line
    ]


@cache
def shapes(value: bytes) -> dict[str, str]:
    """What a secret looks like, each with the name of its encoding."""
    return {form: how for how, form in forms(value) if len(form) >= 6}


@dataclass
class Setting:
    """The places, and who gives tokens to callers."""

    places: Places
    issuer: Issuer
    secrets: dict[str, bytes] = field(default_factory=dict)

    def check(self, text: str) -> None:
        # Not even a part of one: what is cut off before it is masked is not known again.
        assert "s3cr3t" not in text, [line[:600] for line in text.splitlines() if "s3cr3t" in line][:20]
        assert not (shown := leaks(text, {**self.places.secrets, **self.secrets})), "\n".join(shown[:20])


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    async with RawUpstream(upstream, tls=server_context(IDENTITY)) as back, Issuer() as issuer:
        back.errors = _Ignored()
        token = issuer.token()
        yield Setting(Places(tmp_path, back.port, issuer.authority), issuer, {"the caller's token": token.encode()})


class _Ignored(list[Exception]):
    """What a double fails at when it is cut off is not what is looked for."""

    def append(self, error: Exception) -> None:
        """Nothing."""


@dataclass
class Running:
    """`broker run`."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    err: list[str]

    @property
    def port(self) -> int:
        return int(self.ready["listeners"]["in"].rpartition(":")[2])


@asynccontextmanager
async def running(places: Places, out: list[str]) -> AsyncIterator[Running]:
    """The broker as a process, with asyncio's debug output; all that it writes is in `out` at the end."""
    variables = {**os.environ, **places.environment, "PYTHONASYNCIODEBUG": "1"}
    command = [sys.executable, "-m", "broker", "run"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=places.base,
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    reading = asyncio.create_task(process.stdout.read())
    err: list[str] = []
    async for line in process.stderr:
        err.append(line.decode())
        if '"ready"' in err[-1]:
            break
    else:
        raise AssertionError("".join(err))
    rest = asyncio.create_task(process.stderr.read())
    try:
        yield Running(process, json.loads(err[-1]), err)
    finally:
        process.terminate()
        await process.wait()
        out += [(await reading).decode(), "".join(err), (await rest).decode()]


class Caller:
    """Makes calls, and keeps the errors that the broker made itself."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.statuses: dict[str, list[int]] = {}
        self.errors: list[str] = []
        self.places: dict[str, list[str]] = {}
        """Where redirects lead."""
        self._base = f"https://localhost:{port}"
        self._session = session
        self._few = asyncio.Semaphore(40)

    async def call(self, path: str, method: str = "GET", **options: Any) -> None:
        async with self._few:
            try:
                async with self._session.request(
                    method, URL(self._base + path, encoded=True), allow_redirects=False, **options
                ) as answer:
                    text = (await answer.read()).decode("latin-1")
                    self.statuses.setdefault(path.partition("?")[0], []).append(answer.status)
                    self.places.setdefault(path.partition("?")[0], []).extend(answer.headers.getall("Location", []))
                    if "Broker-Error" in answer.headers:
                        sent = options.get("headers", {}).get("X-Request-Id", "\0")
                        said = "".join(f"{name}: {value}\n" for name, value in answer.headers.items()) + text
                        self.errors.append(said.replace(sent, ""))
            except aiohttp.ClientError:
                # An answer that had begun is broken off.
                self.statuses.setdefault(path.partition("?")[0], []).append(0)


@asynccontextmanager
async def caller(port: int) -> AsyncIterator[Caller]:
    connector = aiohttp.TCPConnector(ssl=client_context(AUTHORITY.ca_pem), limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Caller(port, session)


async def call_everything(setting: Setting, made: Caller) -> None:
    """Each credential meets each upstream, each caller shows good and bad proofs."""
    calls = []
    for route in setting.places.document["routes"]:
        path, credentialed = route["match"]["path"], "credentials" in route
        made_up = path.split("/")[1].rpartition("-")[2] in {*TOKENS, *FORMS} - {"ok"}
        for mode in () if not credentialed else ("ok",) if made_up else MODES:
            calls += [
                made.call(path + mode),
                made.call(path + mode, "POST", data=SOAP, headers=SOAP_HEADERS),
            ]
    calls += [made.call("/key-query/redirect?a=b", method) for method in ("GET", "POST")]
    await asyncio.gather(*calls, *proofs(setting, made))


def proofs(setting: Setting, made: Caller) -> Iterator[Any]:
    """What callers show."""
    secrets = {name: value.decode("utf-8", "replace") for name, value in setting.places.secrets.items()}
    key, query = secrets["CALLER_KEY"], quote(secrets["caller-query"], safe="")
    pair = base64.b64encode(f"{secrets['CALLER_NAME']}:{secrets['caller-password']}".encode()).decode()
    token = setting.secrets["the caller's token"].decode()
    shown: list[dict[str, Any]] = [
        {"headers": {"X-Api-Key": key}},
        {"headers": {"X-Api-Key": key[:-1]}},
        {"query": f"?code={query}"},
        {"query": f"?code={query}&code={query}"},
        {"headers": {"Authorization": f"Basic {pair}"}},
        {"headers": {"Authorization": f"Basic {pair}="}},
        {"headers": {"Authorization": f"Basic {pair[:-4]}"}},
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"headers": {"Authorization": f"Bearer {token[:-3]}"}},
        {"headers": {"Authorization": f"Digest {pair}"}},
        {"headers": {"X-Signature": secrets["CALLER_HMAC"].encode().hex(), "X-Timestamp": "1"}},
        {"headers": {"X-Api-Key": key, "X-Request-Id": key}},
        {},
    ]
    for name in setting.places.document["callers"]:
        for proof in shown:
            for path in (f"/by-{name}/ok", f"/passing-{name}/garbage-header", f"/by-{name}/slow"):
                headers = proof.get("headers", {})
                yield made.call(path + proof.get("query", ""), headers=headers)
                yield made.call(path + proof.get("query", ""), "POST", data=SOAP, headers=headers)


@pytest.fixture
def printed(
    setting: Setting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Awaitable[str]]:
    """Gives all that commands print, one after the other."""
    monkeypatch.chdir(setting.places.base)
    for name, value in setting.places.environment.items():
        monkeypatch.setenv(name, value)

    async def run(commands: Iterable[Sequence[str]]) -> str:
        for command in commands:
            # They have event loops of their own.
            await asyncio.to_thread(main, command)
        out, err = capsys.readouterr()
        return out + err

    return run


async def test_nothing_that_a_running_broker_writes_holds_a_secret(setting: Setting) -> None:
    out: list[str] = []
    async with running(setting.places, out) as broker, caller(broker.port) as made:
        async with asyncio.timeout(PATIENCE):
            await call_everything(setting, made)
        admin = setting.places.document["admin"]["bind"]
        async with aiohttp.ClientSession() as session, session.get(f"http://{admin}/metrics") as page:
            out.append(await page.text())
        out += made.errors
    everything = "\n".join(out)
    for path in (
        "/basic/ok",
        "/oauth-basic-ok/ok",
        "/oauth-key-ok/ok",
        "/form-ok/ok",
        "/certificate/ok",
        "/several/ok",
    ):
        assert set(made.statuses[path]) == {200}, (path, made.statuses[path], everything[-3000:])
    assert made.places["/key-query/redirect"] == ["/key-query/redirect/?a=b"] * 2
    for name in ("key", "query", "basic", "jwt", "all", "ip"):
        assert 200 in made.statuses[f"/by-{name}/ok"], (name, made.statuses[f"/by-{name}/ok"])
    assert len(made.errors) > 200
    assert '"credentials_unavailable"' in everything
    setting.check(everything)


COMMANDS = (
    ("check",),
    ("check", "--json"),
    ("check", "--resolve"),
    ("check", "--resolve", "--json"),
    ("routes",),
    ("schema",),
)


async def test_no_command_prints_a_secret(setting: Setting, printed: Callable[..., Awaitable[str]]) -> None:
    places = setting.places
    asked = [
        ("explain", "POST", f"https://localhost{route['match']['path']}x", "-H", "SOAPAction: a")
        for route in places.document["routes"]
    ]
    query, token = quote(secret("caller-query"), safe=""), setting.secrets["the caller's token"].decode()
    proven = [
        ("explain", "GET", f"/{way}-{name}/x?a=b{f'&code={query}' if name == 'query' else ''}", *more)
        for way in ("by", "passing")
        for name in places.document["callers"]
        for more in [
            ("-H", f"X-Api-Key: {places.environment['CALLER_KEY']}"),
            ("-H", f"Authorization: Bearer {token}", "-H", "Cookie: s3ssion=1"),
        ]
    ]
    text = await printed([*COMMANDS, *asked, *proven])
    assert "Authorization: Basic ***" in text
    setting.check(text)


# Configurations that do not serve.


def references(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a document references to secrets stand."""
    if isinstance(value, str) and value.startswith(("env:", "file:")):
        yield path
    items: Iterable[Any] = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield from references(item, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the document with another value at the path."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


LITERALS = {
    "plain": "l1teral-pa55word",
    "odd": "l1teral: pa55word & more",
    "like a reference": "env:l1teral-pa55word",
    "of another scheme": "vault:l1teral-pa55word",
    "listed": ["l1teral-pa55word"],
    "a mapping": {"value": "l1teral-pa55word"},
    "as a key": {"l1teral-pa55word": "x"},
}


@pytest.mark.parametrize("how", [name for name in LITERALS if name != "as a key"])
async def test_a_literal_secret_in_the_place_of_a_reference_is_not_repeated(
    setting: Setting, printed: Callable[..., Awaitable[str]], how: str
) -> None:
    places, literal = setting.places, LITERALS[how]
    fields = list(references(places.document))
    assert len(fields) > 40
    known = {"the literal": b"pa55word"}
    document = places.document
    for path in fields:
        document = replaced(document, path, literal)
        alone = as_yaml(replaced(places.document, path, literal))
        _, faults = examine_text(alone, "routes.yaml", places.base)
        # A user name may be written as it is.
        assert faults or path[-1] in ("username", "user", "extra"), path
        assert not leaks("\n".join(map(str, faults)), known), (path, faults)
    places.write(document)
    text = await printed([*COMMANDS, ("explain", "GET", "/")]) + await refused(places)
    assert not (shown := leaks(text, known)), shown


async def refused(places: Places) -> str:
    """All that `broker run` writes where it does not start."""
    command = [sys.executable, "-m", "broker", "run"]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=places.base, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 2
    return f"{done.stdout}{done.stderr}"


UNFIT: dict[str, Callable[[str], str]] = {
    "line end": lambda value: value + "\nX-Evil: 1",
    "colon": lambda value: "a:" + value,
    "not UTF-8": lambda value: value + "\udcff",
    "control": lambda value: value + "\x01",
    "other": lambda value: value[:-1] + "%",
}


@pytest.mark.parametrize("how", UNFIT)
async def test_a_secret_that_cannot_be_used_is_not_repeated(
    setting: Setting, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever the errors say is searched as it is: nothing masks it here.
    monkeypatch.setattr(Redactor, "add", lambda *_: None)
    places = setting.places
    for name, value in places.environment.items():
        monkeypatch.setenv(name, value)
    for name, value in places.environment.items():
        monkeypatch.setenv(name, UNFIT[how](value))
    problems = await starting(places)
    for name, value in places.environment.items():
        monkeypatch.setenv(name, value)
    for name, content in places.files.items():
        (places.base / "mount" / name).write_bytes(UNFIT[how]("x").encode("utf-8", "surrogateescape") + content)
    problems += await starting(places)
    setting.check("\n".join(problems))
    assert problems


async def starting(places: Places) -> list[str]:
    """Why the broker does not start, if it does not."""
    app = App(places.base / "routes.yaml", log_setup=False)
    try:
        await app.start()
    except (ConfigError, CompileError) as error:
        return [str(error), repr(error)]
    await app.stop(0)
    return []


# Within the process.


@asynccontextmanager
async def in_process(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[App, io.StringIO]]:
    """The broker here, and its log, with as much in it as there can be."""
    # Where each callback was scheduled: lines of source, which hold no values, but are looked up for each of them.
    monkeypatch.setattr(asyncio.constants, "DEBUG_STACK_DEPTH", 1)
    for name, value in setting.places.environment.items():
        monkeypatch.setenv(name, value)
    app, log = App(setting.places.base / "routes.yaml", log_setup=False), io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level, asked = root.level, asyncio.get_running_loop().get_debug()
    await app.start()
    handler.setFormatter(JsonFormatter(app.redactor))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    try:
        yield app, log
    finally:
        asyncio.get_running_loop().set_debug(asked)
        root.setLevel(level)
        await app.stop(0)
        root.removeHandler(handler)


class _Broken:
    """An injector that fails, and tells all that it knows."""

    def __init__(self, known: bytes) -> None:
        self._known = known

    def flow(self, call: Call) -> Flow:
        try:
            raise LookupError(self._known)
        except LookupError:
            text = self._known.decode("latin-1")
            raise RuntimeError(
                f"{self._known!r} {text!r} {text} {self._known.hex()} {base64.b64encode(b'user:' + self._known)!r}"
            ) from ValueError(self._known.decode("utf-8", "replace"))
        yield


@pytest.mark.shows_secrets("exceptions that hold them are made here, to see them masked")
async def test_an_error_with_a_secret_in_it_is_masked(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {name: value for name, value in setting.places.secrets.items() if len(value) < 200 and " the " not in name}
    del own["the access token"], own["the session"]
    async with in_process(setting, monkeypatch) as (app, log), caller(app.listeners["in"].address[1]) as made:
        plan = next(one for one in reachable(app) if isinstance(one, RoutePlan) and one.name == "basic")
        upstream: Any = plan.upstream.inner
        for value in own.values():
            monkeypatch.setattr(upstream, "_injector", _broken(upstream._injector, value))
            await made.call("/basic/ok")
            asyncio.get_running_loop().call_exception_handler({"message": "lost", "args": (value, repr(value))})
            asyncio.get_running_loop().call_soon(_fails, value, {"Authorization": value})
        await asyncio.sleep(0)
    assert made.statuses["/basic/ok"] == [500] * len(own)
    assert "RuntimeError" in log.getvalue()
    assert not (shown := leaks(log.getvalue() + "\n".join(made.errors), own)), "\n".join(shown[:20])


def _broken(injector: Any, value: bytes) -> Any:
    return types.SimpleNamespace(
        bound=False, holds_body=False, hashes_body=False, transform=None, flow=_Broken(value).flow
    )


def _fails(*args: object) -> None:
    raise RuntimeError(f"with {args!r}")


@pytest.mark.shows_secrets("a caller sends its key as X-Request-Id, to see it masked")
async def test_no_object_of_the_broker_shows_a_secret(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    async with in_process(setting, monkeypatch) as (app, log), caller(app.listeners["in"].address[1]) as made:
        async with asyncio.timeout(PATIENCE):
            await call_everything(setting, made)
        said = [f"{type(one)}: {text}" for one in reachable(app) for text in {repr(one), str(one), f"{one}"}]
    assert len(said) > 1000
    setting.check("\n".join(dict.fromkeys(said)))
    setting.check(log.getvalue() + "\n".join(made.errors))


def reachable(start: object) -> Iterator[object]:
    """All objects of the broker that can be got to from one, through whatever holds them."""
    gc.collect()
    known, open_ = {id(start)}, [start]
    while open_:
        thing = open_.pop()
        if _ours(thing):
            yield thing
        for next_ in gc.get_referents(thing):
            passed = isinstance(next_, type | types.ModuleType | types.FrameType | types.TracebackType | Secret)
            globals_ = isinstance(next_, dict) and "__builtins__" in next_
            if id(next_) not in known and not passed and not globals_:
                known.add(id(next_))
                open_.append(next_)


def _ours(thing: object) -> bool:
    return type(thing).__module__.partition(".")[0] == "broker"


# The search itself.


def test_the_search_after_each_test_finds_what_a_test_shows(tmp_path: Path) -> None:
    (tmp_path / "test_shows.py").write_text(
        textwrap.dedent("""
            import base64, logging, pytest
            from broker.core.secret import Secret

            def test_prints(): print(Secret(b"pa55word-1").reveal())
            def test_logs(): logging.getLogger("broker.x").info("x", extra={"y": Secret(b"pa55word-2").reveal().hex()})
            def test_raises():
                try:
                    raise ValueError(base64.b64encode(b"user:" + Secret(b"pa55word-3").reveal()))
                except ValueError:
                    logging.exception("failed")
            def test_environment(monkeypatch):
                monkeypatch.setenv("A_PASSWORD", "pa55word 4")
                print("https://x/?p=pa55word%204")
            def test_hides(): print(Secret(b"pa55word-5"))
            @pytest.mark.shows_secrets("to see it")
            def test_may(): print(Secret(b"pa55word-6").reveal())
        """)
    )
    command = [sys.executable, "-m", "pytest", "-p", "secret_watch", "-p", "no:cacheprovider", "-rA", "-c", "/dev/null"]
    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{Path(secret_watch.__file__).parent}:{Path.cwd()}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    errors = {
        line.split("::")[1].split(" ")[0]
        for line in done.stdout.splitlines()
        if line.startswith("ERROR ") and "::" in line
    }
    assert errors == {"test_prints", "test_logs", "test_raises", "test_environment"}, done.stdout + done.stderr
