"""The Dockerfile, read into its stages."""

import json
import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parents[1] / "Dockerfile"

_FROM = re.compile(r"(\S+) AS (\S+)")


class Stage(NamedTuple):
    """One stage: its name, what it begins from, and its instructions as (word, rest)."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    def last(self, word: str) -> str | None:
        """What stands behind the last instruction of this kind; None without one."""
        found = [rest for each, rest in self.instructions if each == word]
        return found[-1] if found else None

    def words(self, word: str) -> list[str]:
        """The words of an instruction in JSON form; none without one."""
        return [str(part) for part in json.loads(self.last(word) or "[]")]


def arguments() -> dict[str, str]:
    """What is said before the first stage: the images to build from."""
    head = FILE.read_text().partition("\nFROM ")[0]
    return dict(re.findall(r"^ARG (\w+)=(.*)$", head, re.MULTILINE))


def stages() -> dict[str, Stage]:
    """All stages by name."""
    found: dict[str, Stage] = {}
    for text in FILE.read_text().split("\nFROM ")[1:]:
        head, _, body = text.partition("\n")
        base, name = _FROM.fullmatch(head.strip(), 0).groups()  # type: ignore[union-attr]
        plain = re.sub(r"^#.*\n", "", body, flags=re.MULTILINE)
        lines = re.sub(r"\\\n\s*", "", plain).splitlines()
        pairs = (line.partition(" ") for line in lines if line)
        found[name] = Stage(name, base, tuple((word, rest) for word, _, rest in pairs))
    return found
