"""From bytes to a configuration, or to faults with their lines."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from broker.config.document import compose
from broker.config.load import ConfigError, Fault, check, examine_text, load, parse_config
from broker.config.model import ApiKeyCaller, BindAddress, Config, SecretRef

# The words of the format, so that random files come past the first few checks.
WORDS = st.sampled_from([*Config.model_fields, "fno", "type", "api_key", "basic", "tls", "match", "headers", "public"])
LEAVES = st.one_of(WORDS, st.text(max_size=6), st.integers(), st.booleans(), st.none(), st.dates(), st.floats())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | LEAVES, inner, max_size=4),
    max_leaves=30,
)


def messages(text: str) -> list[str]:
    return [str(fault) for fault in examine_text(text)[1]]


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return str(caught.value)


def test_a_valid_file(routes: Path) -> None:
    config = load(routes)
    assert check(routes) == []
    assert config.listeners["fno"].bind == BindAddress("127.0.0.1", 8443)
    assert config.callers["fno-dev"] == ApiKeyCaller(type="api_key", key=SecretRef("env", "KEY"))
    assert config.listener_of(config.routes[0]) == "fno"
    assert config.listeners["fno"].limits.header_bytes == 64 * 1024
    assert config.drain_timeout == 30


def test_paths_are_relative_to_the_file(routes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    certificate = load(routes).listeners["fno"].tls.certificates[0]
    assert certificate.chain == routes.parent / "server.crt"


def test_a_fault_names_the_file_as_it_was_given(routes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(routes.parent)
    routes.write_text(routes.read_text().replace("upstream: warehouse", "upstream: warehose"))
    expected = "no such entry in `upstreams`; did you mean warehouse?"
    assert Fault("routes.yaml", 15, "routes[0].upstream", expected) in check(Path("routes.yaml"))
    with pytest.raises(ConfigError, match=r"^routes.yaml:15: routes\[0\].upstream: no such") as caught:
        load(Path("routes.yaml"))
    assert [fault.severity for fault in caught.value.faults] == ["error"]


@given(st.text() | st.builds(lambda tree: yaml.safe_dump(tree, allow_unicode=True), TREES))
def test_any_text_is_a_configuration_or_has_faults(text: str) -> None:
    config, faults = examine_text(text)
    assert config is not None or faults
    assert all(fault.line >= 1 and "\n" not in str(fault) for fault in faults)


@given(TREES)
def test_any_value_in_any_section_is_reported(tree: object) -> None:
    for section in Config.model_fields:
        examine_text(yaml.safe_dump({"version": 1, section: tree}))


@given(st.binary())
def test_any_bytes_make_a_node_or_a_fault(data: bytes) -> None:
    with suppress(ConfigError):
        assert isinstance(compose(data, "f"), yaml.Node)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "f:1: the file is empty"),
        (b"# nothing\n", "f:1: the file is empty"),
        (b"- a", "f:1: expected a mapping"),
        (b"a: 1\nb: \xff", "f:2: the file is not UTF-8"),
        (b"a: 1\nb: \x00", "control characters"),
        (b"version: 1\nb: [", "f:2: not valid YAML: "),
        (b"a: b: c", "f:1: not valid YAML: mapping values are not allowed"),
        (b"a: 1\n---\nb: 2", "f:2: not valid YAML: "),
        (b"a: *hunter2", "f:1: not valid YAML: found undefined alias"),
        ("a: 1".encode("utf-16"), "f:1: the file is not UTF-8"),
    ],
)
def test_files_that_are_no_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, expected: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f").write_bytes(data)
    [fault] = check(Path("f"))
    assert expected in str(fault)
    assert "hunter2" not in str(fault)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in [
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (Path("\0"), "not a path"),
    ]:
        [fault] = check(path)
        assert reason in fault.message


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000])
def test_depth_is_refused_before_it_ends_the_process(text: str) -> None:
    assert "nested too deeply" in refused(text)


def test_a_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.config.load.MAX_BYTES", 10)
    monkeypatch.setattr("broker.config.document.MAX_BYTES", 10)
    (tmp_path / "f").write_text("a: " + "b" * 20)
    assert "larger than" in str(check(tmp_path / "f")[0])


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, 12)]
    begin = time.monotonic()
    assert "aliases repeat too much" in refused("\n".join(lines))
    assert time.monotonic() - begin < 2


def test_an_alias_of_what_it_is_in_is_refused() -> None:
    assert "an alias refers to what it is part of" in refused("version: &v [*v]")


def test_aliases_and_merges_work(text: str) -> None:
    more = text.replace("- name: one", "- &one\n    name: one")
    more += "  - <<: *one\n    name: two\n    match: {path: /two}\n"
    config = parse_config(more)
    assert [(route.name, route.upstream) for route in config.routes] == [
        ("one", "warehouse"),
        ("two", "warehouse"),
    ]
    bad = more.replace("upstream: warehouse", "upstream: nowhere")
    assert [line.split(": ")[0] for line in messages(bad) if "no such" in line] == [
        "routes.yaml:16",
        "routes.yaml:16",
    ]


@pytest.mark.parametrize("text", ["<<: 1", "<<: [1]", "<<: [[]]"])
def test_what_cannot_be_merged(text: str) -> None:
    assert "<< takes an alias" in refused(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\nversion: 1", "routes.yaml:2: version: this key is there twice"),
        ("version: 1\n1: x", "routes.yaml:2: keys must be text"),
        ("version: 1\n? [a]\n: x", "routes.yaml:2: keys must be text"),
        ("version: !!python/name:os.system x", "routes.yaml:1: version: YAML tags are not supported"),
        ("version: !!set {a}", "routes.yaml:1: version: YAML tags are not supported"),
        ("version: 2027-13-45", "routes.yaml:1: version: this value is no valid number or date"),
        ("version: " + "9" * 5000, "routes.yaml:1: version: this value is no valid number or date"),
        ("version: yes", "routes.yaml:1: version: expected 1"),
        ("version: 2", "routes.yaml:1: version: expected 1"),
        ("verson: 1", "routes.yaml:1: verson: unknown key; did you mean version?"),
        ('"a b\\n": 1', 'routes.yaml:1: ["a b\\n"]: unknown key'),
        ("log: {acces: true}", "routes.yaml:1: log.acces: unknown key; did you mean access?"),
        ("log: {access: 1}", "routes.yaml:1: log.access: expected true or false"),
        ("log: {level: loud}", "routes.yaml:1: log.level: expected debug, info, warning or error"),
        ("callers: {x: {type: api_ky}}", "routes.yaml:1: callers.x.type: unknown type; expected one of api_key, basic"),
        ("callers: {x: {}}", "routes.yaml:1: callers.x: needs a `type`"),
        ("callers: {basic: {type: basic, pasword: a}}", "callers.basic.pasword: unknown key; did you mean password?"),
        ("callers: {a b: {type: basic}}", 'routes.yaml:1: callers["a b"]: expected a name'),
        ("callers: 1", "routes.yaml:1: callers: expected a mapping"),
        ("upstreams: {tls: {target: []}}", "upstreams.tls.target: unknown key; did you mean targets?"),
        ("upstreams: {u: {targets: []}}", "routes.yaml:1: upstreams.u.targets: is empty"),
        ("routes:\n  - match: {headers: {a b: c}}", 'routes.yaml:2: routes[0].match.headers["a b"]: expected the name'),
        ("routes:\n  - name: x", "routes.yaml:2: routes[0].callers: required; say who may call"),
        ("routes:\n  - callers: fno", "routes.yaml:2: routes[0].callers: say who may call: a list of callers, or"),
        ("routes:\n  - callers: []", "routes.yaml:2: routes[0].callers: say who may call"),
        ("routes:\n  - {name: Bad Name}", "routes.yaml:2: routes[0].name: expected a name"),
        ("routes:\n  - match: {methods: GET}", "routes.yaml:2: routes[0].match.methods: expected a list"),
        ("routes:\n  - match: {headers: {x: 1, X: a}}", "routes[0].match.headers.x: expected text; put numbers"),
        ("routes:\n  - match: {headers: {x: a, X: a}}", "routes[0].match.headers: a header is named twice"),
        ("routes:\n  - match: {host: 'a.b:80'}", "routes[0].match.host: expected a host name"),
        ("routes:\n  - match: {host: '*.10.0.0.1'}", "routes[0].match.host: a wildcard stands before a name"),
        ("routes:\n  - credentials: {type: api_key, header: Content-Length}", "header: this header steers"),
        ("upstreams: {u: {tls: {review_by: soon}}}", "upstreams.u.tls.review_by: expected a date such as"),
        ("upstreams: {u: {pool: {size: '64'}}}", "upstreams.u.pool.size: expected a whole number"),
        ("listeners: {l: {limits: {header_bytes: 0}}}", "listeners.l.limits.header_bytes: expected greater than 0"),
        ("listeners: {l: {tls: {min_version: '1.0'}}}", "listeners.l.tls.min_version: unknown key"),
    ],
)  # fmt: skip
def test_faults_say_where_and_what(text: str, expected: str) -> None:
    assert expected in refused(text)


def test_one_bad_entry_does_not_hide_the_faults_of_others(text: str) -> None:
    bad = text.replace("env:KEY", "hunter2").replace("upstream: warehouse", "upstream: warehose")
    bad += "  - {name: one, callers: [fno-de], upstream: warehouse, max_body: much}\n"
    bad += "  - {name: one, callers: [fno-de], upstream: x}\n"
    assert sorted(fault.split(": ")[1] for fault in messages(bad)) == [
        "callers.fno-dev.key",
        "routes[0].upstream",
        "routes[1].callers[0]",
        "routes[1].match",
        "routes[1].max_body",
        "routes[1].name",
        "routes[2].callers[0]",
        "routes[2].match",
        "routes[2].name",
        "routes[2].upstream",
    ]


def test_off_is_a_word_here(text: str) -> None:
    config = parse_config(text.replace("    tls:", "    forwarded: off\n    tls:"))
    assert config.listeners["fno"].forwarded == "off"


def test_what_is_normalised(text: str) -> None:
    match = (
        "    match: {host: '*.Contoso.COM.', methods: [get, GET], soap_action: '\"urn:x\"', headers: {X-Company: U}}\n"
    )
    found = parse_config(text + match).routes[0].match
    assert found.host == "*.contoso.com"
    assert (found.methods, found.soap_action, found.headers) == (["GET"], "urn:x", {"x-company": "U"})
    assert found.conditions == 3


def test_a_configuration_cannot_be_changed(text: str) -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_config(text).drain_timeout = 1


def test_ten_thousand_routes_load_in_seconds(text: str) -> None:
    many = "".join(
        f"  - {{name: r{i}, match: {{path: /{i}/, methods: [GET]}}, callers: [fno-dev], upstream: warehouse}}\n"
        for i in range(10_000)
    )
    begin = time.monotonic()
    assert len(parse_config(text + many).routes) == 10_001
    assert time.monotonic() - begin < 8
