"""Leaving user and password out of addresses, before they are stored, shown or logged."""

import re

# Up to the last `@` before the host ends. A password may hold a `/`, `?` or `#` of its own: then up
# to the first `@`, unless `name:` begins a host and its port.
_USER_INFORMATION = re.compile(r"(?<!/)//(?!/)(?:[^/?#\s]*|[^/?#\s:@\[]*:(?!\d*[/?#])[^\s@]*)@")


def strip_credentials(text: str) -> str:
    """Leave `user:password@` out of every address in a text.

    Args:
        text: a sink's target `<module>:<argument>`, an address, or a message that holds some.

    Returns:
        The same text without users and passwords; paths, experiments and ports stay.

    Example:
        >>> strip_credentials("mlflow:https://ann:secret@tracker:5000/grokking")
        'mlflow:https://tracker:5000/grokking'
    """
    return _USER_INFORMATION.sub("//", text)
