"""What a hook is called where people and stores see it: its target without what may be secret."""

import hashlib

import msgspec

from grokwatch.monitor import secrets
from grokwatch.monitor.credentials import strip_credentials

_ADDRESSED = ("webhook", "alertmanager", "apprise")
_DIGITS = 8


def hook_name(target: str) -> str:
    """Name the hook that a target stands for.

    Args:
        target: `<module>:<argument>`.

    Returns:
        The target without paths, arguments and options. Where something was left out, a few digits
        of its hash tell two such targets apart.

    Example:
        >>> hook_name("webhook:https://hooks.example.com/T1/B2/x9,secret=env:S")
        'webhook:https://hooks.example.com#f83d3e47'
        >>> hook_name("apprise:env:CHAT")
        'apprise:env:CHAT'
    """
    module, _, argument = target.partition(":")
    if module == "command":
        return _marked(f"command:{_program(argument)}", argument)
    head = argument if module == "apprise" else argument.partition(",")[0]
    if module not in _ADDRESSED or head.startswith(secrets.PREFIX):
        return f"{module}:{head}"
    address = strip_credentials(head)
    scheme, separator, rest = address.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    if module != "apprise" and separator and host == rest:
        return f"{module}:{address}"
    # Apprise has tokens where others have a host.
    shown = f"{scheme}://{'' if module == 'apprise' else host}" if separator else ""
    return _marked(f"{module}:{shown}", address)


def _program(argument: str) -> str:
    try:
        return msgspec.json.decode(argument, type=list[str])[0]
    except (msgspec.DecodeError, IndexError, UnicodeEncodeError):
        return ""


def _marked(shown: str, whole: str) -> str:
    digest = hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()
    return f"{shown}#{digest[:_DIGITS]}"
