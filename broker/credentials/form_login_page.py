"""A login page, as far as its form matters."""

from collections.abc import Collection
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Form:
    """A form of a page."""

    names: set[str] = field(default_factory=set)
    hidden: dict[str, str] = field(default_factory=dict, repr=False)
    asks_password: bool = False


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        # Inputs outside any form belong to scripts; they count as a form of their own.
        self.forms = [Form()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "form":
            self.forms.append(Form())
        elif tag == "input":
            self._input({key: value or "" for key, value in attrs})

    def _input(self, attributes: dict[str, str]) -> None:
        form, name, kind = self.forms[-1], attributes.get("name", ""), attributes.get("type", "").strip().lower()
        form.asks_password = form.asks_password or kind == "password"
        if name:
            form.names.add(name)
            if kind == "hidden":
                form.hidden[name] = attributes.get("value", "")


def forms_of(page: bytes) -> list[Form]:
    """All forms; a page that is no HTML has none worth a look."""
    reader = _Reader()
    try:
        text = page.decode()
    except UnicodeDecodeError:
        text = page.decode("latin-1")
    try:
        reader.feed(text)
        reader.close()
    except AssertionError:
        # What the standard library's parser says to some broken declarations.
        pass
    return reader.forms


def hidden_fields(page: bytes, known: Collection[str]) -> dict[str, str]:
    """The hidden fields of the form that has the most of the fields in `known`."""
    forms = forms_of(page)
    best = max(forms, key=lambda form: (len(form.names.intersection(known)), form.asks_password, len(form.hidden)))
    return best.hidden


def asks_for_password(page: bytes) -> bool:
    """Whether there is a form to log in with."""
    return any(form.asks_password for form in forms_of(page))
