"""The sections of a grid's file: known keys, right kinds, and every combination of alternatives."""

import difflib
import inspect
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import product
from typing import Any

from grokwatch.experiments.sweep.runs import Part, Value
from grokwatch.monitor.errors import ConfigurationError


def defaults_of(make: Callable[..., Any], *, without: Collection[str]) -> dict[str, Value]:
    """Options of a class or function that have a default.

    Args:
        make: takes options by name.
        without: names to leave out.

    Returns:
        Option -> default.

    Example:
        >>> from grokwatch.experiments.tasks import SparseParity
        >>> defaults_of(SparseParity, without={"seed"})["num_relevant"]
        3
    """
    parameters = inspect.signature(make).parameters.values()
    found: dict[str, Any] = {each.name: each.default for each in parameters}
    return {
        name: default
        for name, default in found.items()
        if default is not inspect.Parameter.empty and name not in without
    }


def parts(
    where: str,
    given: Mapping[str, object],
    table: Mapping[str, Callable[..., Any]],
    *,
    hidden: Callable[[str], Collection[str]],
) -> list[Part]:
    """All tasks, models or optimizers that a section asks for.

    Args:
        where: the section and its file, for messages.
        given: the section's keys; `name` is one of them.
        table: what there is, by name.
        hidden: name -> options that nobody may set here.

    Returns:
        A part for each combination.

    Raises:
        ConfigurationError: a name or key is not known, or a value is of another kind.
    """
    if "name" not in given:
        msg = f"Expected a name in {where}, got none. Try one of {', '.join(table)}."
        raise ConfigurationError(msg)
    found = []
    for name in _alternatives(where, "name", given["name"], ""):
        known(f"the name in {where}", table, str(name))
        defaults = defaults_of(table[str(name)], without=hidden(str(name)))
        rest = {key: value for key, value in given.items() if key != "name"}
        for options in combinations(where, rest, defaults):
            chosen = {key: value for key, value in options.items() if value != defaults[key]}
            found.append(Part(name=str(name), options=options, chosen=chosen))
    return found


def combinations(
    where: str, given: Mapping[str, object], defaults: Mapping[str, Value]
) -> list[dict[str, Value]]:
    """Every combination of the alternatives that are given, defaults in between.

    Args:
        where: the section and its file, for messages.
        given: key -> value, or a list of alternatives.
        defaults: all keys there are; a value is of the same kind as its default.

    Returns:
        All keys with one value each, for every combination; the last key varies fastest.

    Raises:
        ConfigurationError: a key is not known, or a value is of another kind.

    Example:
        >>> combinations("[run]", {"lr": [1, 2.5]}, {"lr": 0.1, "name": "x"})
        [{'lr': 1.0, 'name': 'x'}, {'lr': 2.5, 'name': 'x'}]
    """
    for key in given:
        known(f"a key of {where}", defaults, key)
    axes = [
        _alternatives(where, key, given[key], default) if key in given else [default]
        for key, default in defaults.items()
    ]
    return [dict(zip(defaults, values, strict=True)) for values in product(*axes)]


def known(what: str, names: Iterable[str], given: str) -> None:
    """Refuse a name that is not there, and say which ones are.

    Args:
        what: is named, for the message.
        names: those that are there.
        given: what somebody wrote.

    Raises:
        ConfigurationError: it is none of them.
    """
    names = list(names)
    if given not in names:
        nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.0)[0]
        msg = (
            f"Expected {what} among {', '.join(names)}, got {given!r}. "
            f"Try the nearest, {nearest!r}."
        )
        raise ConfigurationError(msg)


def _alternatives(where: str, key: str, value: object, default: Value) -> list[Value]:
    """The values that a key takes, all different and of the default's kind."""
    is_one = not isinstance(value, list)
    if isinstance(default, tuple) and isinstance(value, list):
        is_one = not any(isinstance(each, list) for each in value)
    listed = [value] if is_one or not isinstance(value, list) else value
    found = [_fitted(where, key, each, default) for each in listed]
    if not found or len(set(found)) < len(found):
        msg = (
            f"Expected different values of {key} in {where}, at least one, got {value!r}. "
            f"Try {key} = [{_written(default)}]."
        )
        raise ConfigurationError(msg)
    return found


def _fitted(where: str, key: str, value: object, default: Value) -> Value:
    """The value, of the same kind as the default; a whole number will do for a real one."""
    fitted = _as_kind(value, default)
    if fitted is None:
        kind = "two numbers" if isinstance(default, tuple) else type(default).__name__
        msg = (
            f"Expected the value of {key} in {where} as {kind}, got {value!r}. "
            f"Try {key} = {_written(default)}."
        )
        raise ConfigurationError(msg)
    return fitted


def _as_kind(value: object, default: Value) -> Value | None:
    """The value in the default's type, None where it is of another kind or not finite."""
    if isinstance(default, tuple):
        if not isinstance(value, list) or len(value) != len(default):
            return None
        numbers = [_as_kind(each, 0.0) for each in value]
        pair = tuple(each for each in numbers if isinstance(each, float))
        return pair if len(pair) == len(default) else None
    if isinstance(value, bool) or isinstance(default, bool):
        return value if isinstance(value, bool) and isinstance(default, bool) else None
    if isinstance(default, float) and isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, int | str) and isinstance(value, type(default)) else None


def _written(value: Value) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return f'"{value}"' if isinstance(value, str) else str(value)
