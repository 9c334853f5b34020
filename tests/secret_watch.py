"""After every test: nothing that it wrote or logged holds a secret that it used.

Which secrets there are nobody has to say: whatever becomes a `Secret`, a token or a session cookie, is given to a
`Redactor`, or is put into the environment under a name that sounds like one. Log records are searched as they are,
before the `Redactor` masks anything: that is a second line of defence, and here nobody may need it.
"""

import base64
import html
import json
import logging
import re
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest

from broker.core.secret import Secret
from broker.credentials.form_login_cookies import Cookie
from broker.credentials.tokens import Grant
from broker.observe.redact import Redactor

MARK: Final = "shows_secrets"
_LEAST: Final = 6
_LEAST_OF_OTHERS: Final = 12
"""Secrets of tests before this one: what a thread of theirs writes late. Short ones may be words by now."""
_REMEMBERED: Final = 1000
_ORDINARY: Final = re.compile(rb"[A-Za-z]*\Z|[0-9]{1,7}\Z|\*+\Z")
_SOUNDS_SECRET: Final = re.compile(r"(PASSWORD|PASSPHRASE|SECRET|TOKEN|KEY)\Z")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def forms(secret: bytes) -> Iterator[tuple[str, str]]:
    """What a secret looks like as (name of the encoding, text): as it is, and in all that it travels in."""
    text = secret.decode("utf-8", "replace")
    yield "as it is", text
    yield "read as Latin-1", secret.decode("latin-1")
    for encode in (quote, quote_plus, lambda value: quote(value, safe="")):
        encoded = encode(secret)
        yield "URL-encoded", encoded
        yield "URL-encoded", re.sub("%..", lambda match: match[0].lower(), encoded)
        yield from _base64(encoded.encode())
    yield "in JSON", json.dumps(text)[1:-1]
    yield "in Python", repr(secret)[2:-1]
    yield "in Python", repr(text)[1:-1]
    yield "in XML", html.escape(text)
    yield "in XML", html.escape(text, quote=False)
    yield "in hex", secret.hex()
    yield "in hex", secret.hex().upper()
    yield from _base64(secret)


def _base64(secret: bytes) -> Iterator[tuple[str, str]]:
    """At each offset, without the characters that mix with what stands around it."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + secret)
        within = encoded[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6].decode()
        yield "in base64", within
        yield "in base64", within.translate(str.maketrans("+/", "-_"))


def found(secret: bytes, text: str) -> str:
    """The encoding in which the secret stands in the text; empty when it does not."""
    return next((name for name, form in forms(secret) if len(form) >= _LEAST and form in text), "")


class Watch(logging.Handler):
    """Collects secrets and what is written, and compares."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self._secrets: dict[bytes, None] = {}
        self._earlier: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._forms: dict[bytes, list[str]] = {}
        self._written: list[str] = []
        self._drawn = False

    # What is secret.

    def learn(self, value: object) -> None:
        """This must not be seen, unless it is too ordinary to be told from a word."""
        if self._drawn:
            return
        if isinstance(value, str):
            value = value.encode("utf-8", "surrogatepass")
        if isinstance(value, bytes) and len(value) >= _LEAST and not _ORDINARY.match(value):
            self._secrets[value] = None

    def listen(self) -> None:
        """Be told of every secret from now on."""
        self._before(Secret, "__init__", lambda _, value: value)
        self._before(Redactor, "add", lambda _, value: value)
        self._before(Grant, "__init__", lambda _, value, *__, **___: value)
        self._before(Cookie, "__init__", lambda _, __, value, *___: value if len(value) >= _LEAST_OF_OTHERS else b"")
        self._before(
            pytest.MonkeyPatch,
            "setenv",
            lambda _, name, value, *__, **___: value if _SOUNDS_SECRET.search(name) else "",
        )

    def _before(self, owner: type, method: str, value_of: Callable[..., object]) -> None:
        original = getattr(owner, method)

        def called(*args: Any, **options: Any) -> Any:
            self.learn(value_of(*args, **options))
            return original(*args, **options)

        setattr(owner, method, called)

    # What is written.

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record, with all that it carries."""
        parts = [record.getMessage(), *(str(item) for key, item in vars(record).items() if key not in _STANDARD)]
        if record.exc_info and record.exc_info[0] is not None:
            parts += traceback.format_exception(*record.exc_info)
        self._written.append("\n".join(parts))

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        self._written.append(str(warning_message.message))

    # When.

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        # Hypothesis draws the broker's own constants too: a secret that is an error code stands in every second log.
        self._drawn = bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))
        root = logging.getLogger()
        if self not in root.handlers:
            root.addHandler(self)
        # Not the root: what libraries say at this level costs time.
        logging.getLogger("broker").setLevel(logging.DEBUG)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
        outcome = yield
        report = outcome.get_result()  # type: ignore[attr-defined]
        if call.when != "teardown":
            return
        written = "\n".join([*self._written, *(text for _, text in report.sections)])
        self._written.clear()
        leaks = self._leaks(written) if written.strip() and item.get_closest_marker(MARK) is None else []
        self._earlier.extend(secret for secret in self._secrets if len(secret) >= _LEAST_OF_OTHERS)
        self._secrets.clear()
        if leaks and report.passed:
            report.outcome = "failed"
            report.longrepr = "\n".join(["secrets in what the test wrote or logged:", *leaks, "", written])

    def _leaks(self, written: str) -> list[str]:
        known = {**self._secrets, **dict.fromkeys(self._earlier)}
        return [f"  {secret!r}, {how}" for secret in known if (how := self._found(secret, written))]

    def _found(self, secret: bytes, written: str) -> str:
        shapes = self._forms.get(secret)
        if shapes is None:
            shapes = self._forms[secret] = [form for _, form in forms(secret) if len(form) >= _LEAST]
            if len(self._forms) > 4 * _REMEMBERED:
                self._forms.pop(next(iter(self._forms)))
        return found(secret, written) if any(shape in written for shape in shapes) else ""


def pytest_configure(config: pytest.Config) -> None:
    """Called by `conftest.py`."""
    config.addinivalue_line("markers", f"{MARK}(reason): the test writes secrets on purpose, to see them masked")
    watch = Watch()
    watch.listen()
    config.pluginmanager.register(watch, "secret-watch")
