"""Configuration: argument over environment over `grokwatch.toml` over default, parsed only here.

One small frozen section per component; components take keyword arguments and never see this file.
It refuses unknown keys, and passwords written into the file: those come from the environment.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from grokwatch.monitor import secrets
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors import DEFAULT_PREDICTOR
from grokwatch.monitor.quota import QUOTA_BYTES

FILE_NAME = "grokwatch.toml"
PREFIX = "GROKWATCH"

_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_NO_VALUES: Mapping[str, Mapping[str, object]] = {}


class MonitorSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a run is watched: what is measured, where records go, and who judges."""

    directory: Annotated[str, msgspec.Meta(description="where journals are kept")] = ".grokwatch"
    quota_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=1)],
        msgspec.Meta(description="the most that the journal of one run may have"),
    ] = QUOTA_BYTES
    sinks: Annotated[
        tuple[str, ...], msgspec.Meta(description="targets that records are sent to")
    ] = ("mlflow:sqlite:///mlflow.db", "prometheus:127.0.0.1:9109")
    hooks: Annotated[
        tuple[str, ...], msgspec.Meta(description="targets that alerts are sent to")
    ] = ("log:",)
    predictor: Annotated[str, msgspec.Meta(description="who judges")] = DEFAULT_PREDICTOR
    budget: Annotated[
        Annotated[float, msgspec.Meta(gt=0, le=1)] | None,
        msgspec.Meta(description="largest share of training time to spend, or none for no limit"),
    ] = 0.01
    signals: Annotated[
        str | None,
        msgspec.Meta(
            description="what the demo measures: cheap, standard, or full; none for what it needs"
        ),
    ] = None
    report: Annotated[
        bool,
        msgspec.Meta(description="write a report when training ended, and attach it in MLflow"),
    ] = False


class ServiceSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `grokwatch serve` watches many runs; its token comes from the environment alone."""

    host: Annotated[
        str, msgspec.Meta(description="address to listen on; any but loopback needs a token")
    ] = "127.0.0.1"
    port: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=65535)],
        msgspec.Meta(description="port to listen on; 0 takes a free one"),
    ] = 8420
    store: Annotated[
        str, msgspec.Meta(description="where history is kept: sqlite:///PATH, or env:NAME")
    ] = "sqlite:///.grokwatch/service.db"
    public_url: Annotated[
        str, msgspec.Meta(description="address that people reach the page by, for links in alerts")
    ] = ""
    hosts: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="names that requests may ask for, beside host and public_url"),
    ] = ()
    hooks: Annotated[
        tuple[str, ...], msgspec.Meta(description="targets that alerts are sent to")
    ] = ("log:",)
    sources: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="MLflow servers to watch: mlflow:ADDRESS/EXPERIMENT"),
    ] = ()
    metric_names: Annotated[
        dict[str, str],
        msgspec.Meta(description="what metrics of sources mean: their name to ours; else guessed"),
    ] = {}
    mlflow_public_url: Annotated[
        str, msgspec.Meta(description="address that people reach MLflow by, for links to its runs")
    ] = ""
    poll_seconds: Annotated[
        Annotated[float, msgspec.Meta(ge=0.1)],
        msgspec.Meta(description="rest between two looks at a source"),
    ] = 10.0
    predictor: Annotated[str, msgspec.Meta(description="who judges")] = DEFAULT_PREDICTOR
    keep_points: Annotated[
        Annotated[int, msgspec.Meta(ge=1000)],
        msgspec.Meta(description="observations kept of a run; older ones are thinned beyond it"),
    ] = 50_000
    keep_days: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        msgspec.Meta(description="days that a run is kept after it was last seen; none for ever"),
    ] = None
    top_runs: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=1000)],
        msgspec.Meta(description="most active runs with series of their own in /metrics"),
    ] = 100
    requests_per_second: Annotated[
        Annotated[float, msgspec.Meta(gt=0)],
        msgspec.Meta(
            description="sustained requests that one address may make; bursts of ten times"
        ),
    ] = 200.0


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every section."""

    monitor: MonitorSection = MonitorSection()
    service: ServiceSection = ServiceSection()


def load(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    arguments: Mapping[str, Mapping[str, object]] = _NO_VALUES,
) -> Config:
    """Merge arguments, environment, file, and defaults into one configuration.

    Args:
        path: the file; without it `GROKWATCH_CONFIG`, then `grokwatch.toml` beside you.
        environment: variables to read, `GROKWATCH_<SECTION>_<KEY>`; the process's own by default.
        arguments: section -> key -> value; a value of None leaves the key to the lower layers.

    Returns:
        The configuration, checked.

    Raises:
        ConfigurationError: an unknown key, a wrong value, an unreadable file, or a password in it.

    Example:
        >>> load(environment={"GROKWATCH_MONITOR_SINKS": "prometheus:127.0.0.1:9200"}).monitor.sinks
        ('prometheus:127.0.0.1:9200',)
    """
    variables = os.environ if environment is None else environment
    merged: dict[str, dict[str, object]] = {}
    for layer in (_from_file(path, variables), _from_environment(variables), arguments):
        for section, values in layer.items():
            given = {key: value for key, value in values.items() if value is not None}
            merged.setdefault(section, {}).update(given)
    _check_names("section", "the configuration", merged, _sections())
    sections = {name: _build(name, merged.get(name, {})) for name in _sections()}
    return msgspec.convert(sections, Config)


def resolve(target: str, environment: Mapping[str, str] | None = None) -> str:
    """Put a secret in the place of `env:NAME` in a target `<module>:env:NAME`.

    `NAME` is read from the environment, or from the file that `NAME_FILE` names.

    Raises:
        ConfigurationError: neither variable is set, or the file cannot be read.

    Example:
        >>> resolve("mlflow:env:TRACKER", {"TRACKER": "http://mlflow:5000"})
        'mlflow:http://mlflow:5000'
    """
    module, _, argument = target.partition(":")
    if not argument.startswith(secrets.PREFIX):
        return target
    return f"{module}:{secrets.secret(argument, environment)}"


def variable(section: str, key: str) -> str:
    """Name of the environment variable that sets one key."""
    return f"{PREFIX}_{section}_{key}".upper()


def _sections() -> dict[str, type[msgspec.Struct]]:
    return {field.name: field.type for field in msgspec.structs.fields(Config)}


def _keys(section: str) -> list[str]:
    return [field.name for field in msgspec.structs.fields(_sections()[section])]


def _from_file(
    path: Path | None, environment: Mapping[str, str]
) -> Mapping[str, Mapping[str, object]]:
    named = path or (
        Path(environment["GROKWATCH_CONFIG"]) if "GROKWATCH_CONFIG" in environment else None
    )
    file = named or Path(FILE_NAME)
    if named is None and not file.is_file():
        return {}
    text = _read(file)
    if _PASSWORD.search(text):
        msg = (
            f"Expected no password in {file}, got an address with one. "
            "Try a target such as 'mlflow:env:NAME' and set NAME in the environment."
        )
        raise ConfigurationError(msg)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"Expected TOML in {file}, got {error}. Try quoting text and closing brackets."
        raise ConfigurationError(msg) from error
    _check_names("section", str(file), content, _sections())
    for section, values in content.items():
        if not isinstance(values, dict):
            msg = f"Expected a table [{section}] in {file}, got {values!r}. Try [{section}]."
            raise ConfigurationError(msg)
        _check_names("key", f"[{section}] of {file}", values, _keys(section))
    return content


def _from_environment(environment: Mapping[str, str]) -> Mapping[str, Mapping[str, object]]:
    values: dict[str, dict[str, object]] = {}
    for section in _sections():
        start = f"{PREFIX}_{section.upper()}_"
        given = {name: text for name, text in environment.items() if name.startswith(start)}
        known = [variable(section, key) for key in _keys(section)]
        _check_names("variable", "the environment", given, known)
        values[section] = {name[len(start) :].lower(): text for name, text in given.items()}
    return values


def _check_names(what: str, where: str, given: Iterable[str], known: Iterable[str]) -> None:
    names = sorted(known)
    for name in given:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"Did you mean {close[0]!r}?" if close else "Try one of them, or remove it."
            known_names = ", ".join(names)
            msg = f"Expected a known {what} of {where} ({known_names}), got {name!r}. {hint}"
            raise ConfigurationError(msg)


def _build(section: str, values: Mapping[str, object]) -> msgspec.Struct:
    kind = _sections()[section]
    _check_names("key", f"section {section!r}", values, _keys(section))
    converted: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in values:
            converted[field.name] = _convert(section, field, values[field.name])
    return kind(**converted)


def _convert(section: str, field: msgspec.structs.FieldInfo, value: object) -> object:
    plain = value
    try:
        if isinstance(value, str) and isinstance(field.default, tuple):
            plain = _listed(value)
        elif isinstance(value, str) and field.default_factory is dict:
            plain = msgspec.json.decode(value, type=dict[str, str])
        elif value == "none" and not isinstance(field.default, str):
            plain = None
        return msgspec.convert(plain, field.type, strict=False)
    except msgspec.DecodeError as error:
        msg = (
            f"Expected {section}.{field.name} to be valid, got {value!r}: {error}. "
            f"Try its default, {default_of(field)!r}."
        )
        raise ConfigurationError(msg) from error


def default_of(field: msgspec.structs.FieldInfo) -> object:
    """What stands where nothing is given for a key."""
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def _listed(text: str) -> list[str]:
    """Read several texts from a variable: a JSON array, or parts between commas."""
    if text.lstrip().startswith("["):
        return msgspec.json.decode(text, type=list[str])
    return [part.strip() for part in text.split(",") if part.strip()]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"Expected a readable file, got {file} ({error}). Try another path."
        raise ConfigurationError(msg) from error
