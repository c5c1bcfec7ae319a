"""What docs/stack.md says of the containers is what the files say."""

import re

import pytest

from tests import compose

PAGE = (compose.ROOT / "docs" / "stack.md").read_text()
DOCUMENT = compose.read()
ROWS = re.findall(r"^\| `(\w+)`(?:, on demand)? \| (\S+) \|", PAGE, re.MULTILINE)


def test_every_service_has_a_row_with_its_page() -> None:
    pages = {name: where for name, where in ROWS if name in DOCUMENT["services"]}
    assert set(pages) == set(DOCUMENT["services"])
    for name, service in DOCUMENT["services"].items():
        ports = service.get("ports")
        where = f"http://{ports[0].rpartition(':')[0]}" if ports else "none"
        assert pages[name] == where


@pytest.mark.parametrize("name", sorted(compose.example()))
def test_every_secret_has_a_row_with_its_file(name: str) -> None:
    file = compose.example()[name].rpartition("/")[2]
    assert re.search(rf"^\| `{name}` \| `{file}`", PAGE, re.MULTILINE)


def test_who_reads_which_secret_is_told() -> None:
    for name, service in DOCUMENT["services"].items():
        for secret in service.get("secrets", []):
            row = re.search(rf"^\| `\w+` \| `{secret}`[^|]*\| (.+) \|$", PAGE, re.MULTILINE)
            assert row
            words = {"grokwatch": "service", "postgres": "PostgreSQL"}.get(name, name)
            assert words.lower() in row[1].lower(), f"{name} reads {secret}"


def test_every_image_can_be_pinned_as_the_page_says() -> None:
    pulled = {
        name
        for name, value in compose.example(with_comments=True).items()
        if name.endswith("_IMAGE") and not value.startswith("grokwatch-")
    }
    assert {name for name in pulled if f"`{name}`" in PAGE or f"{name}=" in PAGE} == pulled


def test_no_digest_is_made_up() -> None:
    files = [PAGE, compose.MAIN.read_text(), (compose.ROOT / ".env.example").read_text()]
    assert not [text for text in files if re.search("sha256:[0-9a-f]{6}", text)]
