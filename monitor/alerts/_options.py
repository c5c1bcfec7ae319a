"""Reading `<address>,key=value,...`: the options at the end of a hook's argument."""

import difflib
import re
from collections.abc import Collection, Mapping

from grokwatch.monitor import secrets
from grokwatch.monitor.errors import ConfigurationError

_OPTION = re.compile(r"([A-Za-z_]+)=(.*)", re.DOTALL)


def split_options(argument: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """Take the options off the end of an argument.

    Args:
        argument: what follows the hook's name in a target.
        known: names of options that the hook has.

    Returns:
        What stands before the options, and the options by name.

    Raises:
        ConfigurationError: an option that the hook does not have, or one given twice.

    Example:
        >>> split_options("https://a.example/x,timeout=5", ("timeout",))
        ('https://a.example/x', {'timeout': '5'})
    """
    options: dict[str, str] = {}
    head, comma, last = argument.rpartition(",")
    while comma and (option := _OPTION.fullmatch(last)):
        name, value = option.groups()
        if name not in known or name in options:
            raise ConfigurationError(_refusal(name, known, is_twice=name in options))
        options[name] = value
        argument = head
        head, comma, last = argument.rpartition(",")
    return argument, options


def _refusal(name: str, known: Collection[str], *, is_twice: bool) -> str:
    if is_twice:
        return f"Expected the option {name!r} once, got it twice. Try one of them."
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}?" if close else "Try '%2C' for a comma in an address."
    names = ", ".join(known)
    return f"Expected an option among {names} after the comma, got {name!r}. {hint}"


def address_of(head: str, environment: Mapping[str, str] | None) -> str:
    """Put the secret in the place of an `env:NAME`.

    Args:
        head: an address, or `env:NAME` for one that is a secret as a whole.
        environment: variables to read; the process's own by default.

    Returns:
        The address.

    Raises:
        ConfigurationError: there is no such variable or file.

    Example:
        >>> address_of("env:HOOK", {"HOOK": "https://a.example/x"})
        'https://a.example/x'
    """
    if not head.startswith(secrets.PREFIX):
        return head
    return secrets.secret(head, environment).strip()


def is_private_allowed(options: Mapping[str, str]) -> bool:
    """Whether `allow=private` is among the options.

    Raises:
        ConfigurationError: something else is allowed.

    Example:
        >>> is_private_allowed({"allow": "private"}), is_private_allowed({})
        (True, False)
    """
    allowed = options.get("allow")
    if allowed not in {None, "private"}:
        msg = f"Expected 'allow=private' or nothing, got 'allow={allowed}'. Try leaving it out."
        raise ConfigurationError(msg)
    return allowed is not None


def seconds(text: str, *, most: float) -> float:
    """Read how long to wait.

    Args:
        text: a number.
        most: seconds that may be waited for.

    Returns:
        The seconds.

    Raises:
        ConfigurationError: no number, or one that is not within the bounds.

    Example:
        >>> seconds("5", most=30)
        5.0
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= most:
        msg = f"Expected a timeout above 0 and up to {most:g} seconds, got {text!r}. Try 10."
        raise ConfigurationError(msg)
    return value
