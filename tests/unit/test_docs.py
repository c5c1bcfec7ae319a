import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grokwatch.monitor import alerts
from grokwatch.monitor.commands.signals import Family, SignalRow, families, rows

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("adr/*.md"), *ROOT.glob("*.md")])
GENERATED = ("architecture", "signals", "metrics", "config", "cli")
DECISIONS = sorted(DOCS.glob("adr/0*.md"))


def test_the_generated_pages_are_up_to_date() -> None:
    pages = [DOCS / f"{name}.md" for name in GENERATED]
    assert all("[[[cog" in page.read_text() for page in pages)
    command = [sys.executable, "-m", "cogapp", "--check", "--diff", *map(str, pages)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nTry: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_every_signal_has_a_meaning_a_range_and_a_source(row: SignalRow) -> None:
    assert all((row.summary, row.source, row.least, row.greatest, row.cost, row.access))
    assert f"| `{row.name}` | " in (DOCS / "signals.md").read_text()


@pytest.mark.parametrize("family", families(rows()), ids=lambda family: family.rows[0].family)
def test_every_family_has_a_heading_that_no_other_has(family: Family) -> None:
    text = (DOCS / "signals.md").read_text()
    assert text.count(f"\n### {family.heading}\n") == 1
    assert len(family.heading) <= 90, "the first sentence of its file: a few words, a colon, more"


def test_the_page_of_signals_names_only_what_there_is_and_every_rank() -> None:
    text = (DOCS / "signals.md").read_text()
    ranks = re.findall(r"^\| ([0-9]+) \| .* \| (.*) \|$", text, re.MULTILINE)
    assert [int(rank) for rank, _ in ranks] == list(range(1, 23))
    absent = text.partition("## Without a value")[2].partition("\n## ")[0]
    absent = "\n".join(line.partition(":")[0] for line in absent.splitlines() if line[:2] == "- ")
    named = {name for _, names in ranks for name in re.findall("`(.*?)`", names)}
    named |= set(re.findall("`(.*?)`", absent))
    assert named - {row.name for row in rows()} == set()


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_is_one_page_with_three_parts(page: Path) -> None:
    text = page.read_text()
    assert re.match(rf"# ADR-{page.name[:4]}: \S", text)
    parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 50
    assert page.name in (DOCS / "adr" / "README.md").read_text()


def test_the_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert len(DECISIONS) >= 10


def test_the_page_of_hooks_names_every_hook() -> None:
    named = re.findall(r"^\| `(\w+)` \| `\1:", (DOCS / "hooks.md").read_text(), re.MULTILINE)
    found = {module.name for module in pkgutil.iter_modules(alerts.__path__)}
    assert set(named) == {name for name in found if not name.startswith("_")}


def test_contributing_fits_one_screen() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 50
