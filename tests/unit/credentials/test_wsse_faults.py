"""`broker check` names the place of a wrong setting, for credentials in envelopes and in forms."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from broker.config.load import examine_text
from broker.config.model import OneCredential
from broker.config.secret_walk import references_in

ROUTE = """\
routes:
  - name: soap
    credentials:
      {}
"""


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ("{type: wsse, username: u}", "routes[0].credentials.password: required"),
        ("{type: wsse, username: u, password: hunter2}", "credentials.password: literal secrets are not allowed"),
        ("{type: wsse, username: u, password: 'env:P', ttl: 5}", "credentials.ttl: expected a duration"),
        ("{type: wsse, username: u, password: 'env:P', existing: drop}", "credentials.existing: expected replace or"),
        ("{type: wsse, username: u, password: 'env:P', actr: x}", "credentials.actr: unknown key; did you mean actor?"),
        ("{type: wsse, username: u, password: 'env:P', actor: 'a b'}", "credentials.actor: expected a URI"),
        ("{type: form_login, url: /l}", "credentials.fields: required"),
        ("{type: form_login, url: l, fields: {a: b}}", "credentials.url: expected a path that starts with /"),
        ("{type: form_login, url: /l, fields: {pwd: hunter2}}", "credentials.fields: pwd: literal secrets are not"),
        (
            "{type: form_login, url: /l, fields: {a: b}, expired_when: {stat: [1]}}",
            "credentials.expired_when.stat: unknown key; did you mean status?",
        ),
        (
            "{type: form_login, url: /l, fields: {a: b}, success_when: {cookie: 'a b'}}",
            "credentials.success_when.cookie: expected the name of a",
        ),
    ],
)
def test_the_place_is_named(settings: str, place: str) -> None:
    _, faults = examine_text(ROUTE.format(settings), "routes.yaml")
    told = "".join(f"{fault}\n" for fault in faults)
    assert f"routes.yaml:4: routes[0].credentials{place.partition('credentials')[2]}" in told or (
        f"routes.yaml:3: routes[0].credentials{place.partition('credentials')[2]}" in told
    )
    assert "hunter2" not in told


def test_references_in_forms_are_found() -> None:
    form = {"type": "form_login", "url": "/l", "fields": {"user": "u", "password": "env:P"}}
    found = references_in(TypeAdapter[Any](OneCredential).validate_python(form))
    assert [(loc, str(reference)) for loc, reference in found] == [(("fields", "password"), "env:P")]
