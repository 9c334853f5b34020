"""The front page and the life of a call say what the code does."""

import ast
import re
from pathlib import Path

from broker.cli import VERBS
from broker.config.load import check

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_example_lacks_nothing_but_its_files(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(README.partition("```yaml\n")[2].partition("```")[0])
    faults = check(path)
    assert len(faults) == 3
    assert all("No such file" in str(fault) for fault in faults)


def test_the_command_table_names_every_verb_and_no_other() -> None:
    assert set(re.findall(r"^\| `broker (\w+)", README, re.MULTILINE)) == {verb.NAME for verb in VERBS}


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_what_many_and_slow_callers_do_is_said_as_it_was_measured() -> None:
    results = (ROOT / "docs/attack.md").read_text().partition("<!-- results: begin -->")[2]
    sentence = results.strip().partition("\n")[0]
    assert sentence.startswith("With 10,000 idle TLS connections")
    assert sentence in " ".join(README.split())


def test_the_life_of_a_call_has_a_heading_for_every_function_of_the_pipeline() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/lifecycle-of-a-call.md").read_text(), re.MULTILINE)
    tree = ast.parse((ROOT / "broker/pipeline.py").read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [name for name in functions if name not in headings] == []
