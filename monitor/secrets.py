"""Secrets come from the environment, or from files that it names; never from targets themselves."""

import os
from collections.abc import Mapping
from pathlib import Path

from grokwatch.monitor.errors import ConfigurationError

PREFIX = "env:"


def secret(reference: str, environment: Mapping[str, str] | None = None) -> str:
    """Read what `env:NAME` stands for.

    Args:
        reference: `env:` and the name of a variable. Where `NAME` is not set, the file that
            `NAME_FILE` names is read.
        environment: variables to read; the process's own by default.

    Returns:
        The variable's value, or the file's content without white space around it.

    Raises:
        ConfigurationError: no such reference, neither variable is set, or no such file.

    Example:
        >>> secret("env:TRACKER", {"TRACKER": "http://mlflow:5000"})
        'http://mlflow:5000'
    """
    variables = os.environ if environment is None else environment
    name = reference.removeprefix(PREFIX)
    if not reference.startswith(PREFIX) or not name:
        # What was written instead may be the secret itself: it is not repeated.
        msg = "Expected a secret as env:NAME, got something else. Try env:NAME, and set NAME."
        raise ConfigurationError(msg)
    if name in variables:
        return variables[name]
    file = variables.get(f"{name}_FILE")
    if file is None:
        msg = (
            f"Expected the environment variable {name} or {name}_FILE, got neither. "
            f"Try: export {name}=..."
        )
        raise ConfigurationError(msg)
    return _content(Path(file)).strip()


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8"
        msg = f"Expected a secret in the file {file}, got {reason}. Try another path."
        raise ConfigurationError(msg) from None


def optional_secret(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Read a variable, or the file that `NAME_FILE` names; None where neither is set.

    Raises:
        ConfigurationError: there is no such file.
    """
    variables = os.environ if environment is None else environment
    if name not in variables and f"{name}_FILE" not in variables:
        return None
    return secret(f"{PREFIX}{name}", variables).strip() or None
