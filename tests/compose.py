"""The compose files as a machine reads them: by docker compose where it is, else by ourselves."""

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # ships no types

ROOT = Path(__file__).parents[1]
MAIN = ROOT / "docker-compose.yml"
HOST = ROOT / "docker-compose.host.yml"
SCHEMA = Path(__file__).parent / "data" / "compose-spec.json"

_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}")
_SETTING = re.compile(r"^(?:# )?([A-Z_]+)=(.*)$", re.MULTILINE)

Document = Mapping[str, Any]


class Missing(Exception):
    """A variable that the file asks for, in docker compose's words."""


class _Replaced:
    """A value that takes the place of another one, as `!override` and `!reset` say."""

    def __init__(self, value: object) -> None:
        self.value = value


class _Loader(yaml.SafeLoader):
    """Reads the two tags by which one compose file replaces what another one says."""


def _override(loader: yaml.SafeLoader, node: yaml.Node) -> _Replaced:
    if isinstance(node, yaml.SequenceNode):
        return _Replaced(loader.construct_sequence(node, deep=True))
    return _Replaced(None)


_Loader.add_constructor("!override", _override)
_Loader.add_constructor("!reset", lambda *_: _Replaced(None))


def example(*, with_comments: bool = False) -> dict[str, str]:
    """What `.env.example` sets; with the lines that it comments out, all that it knows."""
    text = (ROOT / ".env.example").read_text()
    if not with_comments:
        text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    return dict(_SETTING.findall(text))


def read(*files: Path, variables: Mapping[str, str] | None = None) -> Document:
    """The files as one, with variables in their places.

    Args:
        files: the main one first.
        variables: what stands in `.env`; that of `.env.example` by default.

    Returns:
        The document.

    Raises:
        Missing: a variable is not there that has no default.
    """
    given = example() if variables is None else variables
    merged: Any = {}
    for file in files or (MAIN,):
        tree = yaml.load(file.read_text(), Loader=_Loader)
        merged = _merged(merged, _filled(tree, given))
    return dict(merged)


def complaint(*files: Path, variables: Mapping[str, str] | None = None) -> str:
    """What is wrong with the files: nothing, or what docker compose says, or what the schema does.

    Args:
        files: the main one first.
        variables: what stands in `.env`; that of `.env.example` by default.

    Returns:
        The complaint; "" for none.
    """
    given = example() if variables is None else variables
    program = engine()
    if program is not None:
        return _config(program, files or (MAIN,), given)
    try:
        return violations(read(*files, variables=given))
    except Missing as missing:
        return str(missing)


def violations(document: Document) -> str:
    """Where a document departs from the schema of the compose specification; "" for nowhere."""
    validator = Draft7Validator(json.loads(SCHEMA.read_text()))
    found = sorted(validator.iter_errors(document), key=lambda error: error.json_path)
    return "\n".join(f"{error.json_path}: {error.message}" for error in found)


@functools.cache
def engine() -> tuple[str, ...] | None:
    """The words that start docker compose, version 2; None where there is none."""
    for words in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(words[0]) is not None:
            done = subprocess.run(
                [*words, "version", "--short"], capture_output=True, text=True, check=False
            )
            if done.returncode == 0 and re.match(r"v?[2-9]", done.stdout):
                return words
    return None


def _config(program: Sequence[str], files: Sequence[Path], variables: Mapping[str, str]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".env") as settings:
        settings.writelines(f"{name}={value}\n" for name, value in variables.items())
        settings.flush()
        named = [word for file in files for word in ("-f", str(file))]
        command = [*program, "--env-file", settings.name, *named, "config", "--quiet"]
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(command, capture_output=True, text=True, env=plain, check=False)
    return done.stderr if done.returncode else ""


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """The same tree with variables in their places."""
    if isinstance(value, dict):
        return {key: _filled(part, variables) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, variables) for part in value]
    if isinstance(value, _Replaced):
        return _Replaced(_filled(value.value, variables))
    if isinstance(value, str):
        return _VARIABLE.sub(functools.partial(_value, variables), value)
    return value


def _value(variables: Mapping[str, str], found: re.Match[str]) -> str:
    name, kind, rest = found.groups()
    if name is None:
        return "$"
    if kind == "?" and not variables.get(name):
        msg = f"required variable {name} is missing a value: {rest}"
        raise Missing(msg)
    return variables.get(name) or rest or ""


def _merged(below: Any, above: Any) -> Any:
    """One part of a file laid over the same part of another one."""
    if isinstance(above, _Replaced):
        return above.value
    if isinstance(below, dict) and isinstance(above, dict):
        laid = below | {key: _merged(below.get(key), part) for key, part in above.items()}
        return {key: part for key, part in laid.items() if part is not None or key not in above}
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *above]
    return above
