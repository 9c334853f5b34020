"""Adding an upstream to routes.yaml: comments and formatting stay, or nothing happens."""

import stat
from datetime import date
from pathlib import Path

import pytest
import yaml

from broker.config.load import load
from broker.probe.candidate import Candidate, Setting
from broker.probe.edit import CannotEdit, add, inserted, names_in, unique

DAY = date(2026, 1, 31)
CANDIDATE = Candidate("https://[::1]:8443", (Setting("profile", "legacy", "it is old", True),))
BLOCK = """\
old:
  targets: ["https://[::1]:8443"]
  tls:
    profile: legacy                 # it is old
    review_by: 2027-01-31           # look again whether this is still needed
"""


def indented(spaces: int) -> str:
    return "".join(" " * spaces + line + "\n" for line in BLOCK.splitlines())


def put(text: str) -> str:
    return inserted(text, "old", CANDIDATE, DAY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("version: 1\n", "version: 1\nupstreams:\n" + indented(2)),
        ("version: 1", "version: 1\nupstreams:\n" + indented(2)),
        ("a: 1\n...\n", "a: 1\nupstreams:\n" + indented(2) + "...\n"),
        ("upstreams:\nroutes: []\n", "upstreams:\n" + indented(2) + "routes: []\n"),
        ("upstreams: {}  # none\nroutes: []\n", "upstreams:  # none\n" + indented(2) + "routes: []\n"),
        ("upstreams: null\nroutes: []\n", "upstreams:\n" + indented(2) + "routes: []\n"),
        (
            "upstreams:\n  # first\n  a: {targets: [http://a]}  # here\n\n# next\nroutes: []\n",
            "upstreams:\n  # first\n  a: {targets: [http://a]}  # here\n" + indented(2) + "\n# next\nroutes: []\n",
        ),
        (
            "upstreams:\n  a:\n    targets:\n      - http://a # x\n      - http://b",
            "upstreams:\n  a:\n    targets:\n      - http://a # x\n      - http://b\n" + indented(2),
        ),
        (
            "upstreams:\n  a: {\n    targets: [http://a],\n  }\nroutes: []\n",
            "upstreams:\n  a: {\n    targets: [http://a],\n  }\n" + indented(2) + "routes: []\n",
        ),
        ("x: &x {t: 1}\nupstreams:\n  a: *x\n", "x: &x {t: 1}\nupstreams:\n  a: *x\n" + indented(2)),
        (
            '"upstreams":\n  a: "two\n    lines"\nb: 1\n',
            '"upstreams":\n  a: "two\n    lines"\n' + indented(2) + "b: 1\n",
        ),
    ],
)
def test_the_block_goes_below_the_last_upstream(before: str, after: str) -> None:
    assert put(before) == after


def test_the_indentation_of_the_file_is_kept() -> None:
    text = put("upstreams:\n    a:\n        targets: [http://a]\n")
    assert "\n    old:\n        targets:" in text
    assert "\n            profile: legacy" in text
    assert yaml.safe_load(text)["upstreams"]["old"]["tls"]["profile"] == "legacy"


def test_the_line_ends_of_the_file_are_kept() -> None:
    text = put("version: 1\r\nupstreams:\r\n  a: {}\r\n")
    assert text.count("\n") == text.count("\r\n") == 8


@pytest.mark.parametrize(
    "text",
    ["{version: 1}\n", "upstreams: {a: {targets: [http://a]}}\n", "x: &x {}\nupstreams: *x\n",
     "upstreams: &u\n  a: {}\n", "upstreams: []\n", "a: 1\n---\nb: 1\n", "- 1\n", "upstreams: {\n}\n",
     "upstreams:\n  a: |\n    text\n", "a: [\n"],
)  # fmt: skip
def test_what_cannot_be_done_safely_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(text)
    with pytest.raises(CannotEdit):
        add(path, "old", CANDIDATE, DAY)
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_real_file_gets_the_upstream_and_keeps_its_mode(unit_routes: Path) -> None:
    unit_routes.chmod(0o640)
    before = unit_routes.read_text()
    add(unit_routes, "old", CANDIDATE, DAY)
    after = unit_routes.read_text()
    assert stat.S_IMODE(unit_routes.stat().st_mode) == 0o640
    assert after.replace(indented(2), "") == before
    assert load(unit_routes).upstreams["old"].tls is not None
    assert names_in(unit_routes) == {"warehouse", "old"}


def test_a_link_stays_a_link(unit_routes: Path) -> None:
    real = unit_routes.rename(unit_routes.with_name("real.yaml"))
    unit_routes.symlink_to(real)
    add(unit_routes, "old", CANDIDATE, DAY)
    assert unit_routes.is_symlink()
    assert "old" in names_in(real)


def test_a_file_with_faults_is_left_alone(unit_routes: Path) -> None:
    text = unit_routes.read_text().replace("version: 1", "version: 2")
    unit_routes.write_text(text)
    with pytest.raises(CannotEdit, match=r"routes\.yaml:1: version"):
        add(unit_routes, "old", CANDIDATE, DAY)
    assert unit_routes.read_text() == text
    assert not list(unit_routes.parent.glob(".routes*"))


def test_a_taken_name_is_a_fault_of_the_caller(unit_routes: Path) -> None:
    with pytest.raises(CannotEdit):
        add(unit_routes, "warehouse", CANDIDATE, DAY)


def test_names_are_made_unique() -> None:
    assert unique("a", {"b"}) == "a"
    assert unique("a", {"a", "a-2"}) == "a-3"
