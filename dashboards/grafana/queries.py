"""Every query of a dashboard as Prometheus would get it, for whoever tries them out."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

GRAFANAS_OWN: Mapping[str, str] = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__range": "6h",
}
"""What stands for the variables that Grafana itself defines, where nothing else is given."""

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)(?::\w+)?\}|(?P<bare>[A-Za-z_]\w*))")


def queries(dashboard: Mapping[str, Any], given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Find the queries of a dashboard.

    Args:
        dashboard: its JSON, decoded.
        given: variable, such as `run` and `task` -> what stands for it, as it is.

    Returns:
        (title of the panel or name of the annotation, PromQL), in order.
    """
    known = {**GRAFANAS_OWN, **given}
    return [(title, filled(text, known)) for title, text in _written(dashboard)]


def filled(text: str, given: Mapping[str, str]) -> str:
    """Put values in place of variables.

    Args:
        text: PromQL with Grafana's variables; `$1` of `label_replace` is none.
        given: variable -> value.

    Returns:
        PromQL.

    Raises:
        ValueError: nothing is given for a variable.

    Example:
        >>> filled('up{run="$run"}[$__range]', {"run": "a", "__range": "1h"})
        'up{run="a"}[1h]'
    """
    missing = variables_in(text) - given.keys()
    if missing:
        msg = f"Expected a value for each variable, got none for {sorted(missing)}. Try giving it."
        raise ValueError(msg)
    return _VARIABLE.sub(lambda match: given[_name(match)], text)


def variables_in(text: str) -> set[str]:
    """Find the variables that a text uses.

    Example:
        >>> sorted(variables_in('${service_url}/?text=${run:percentencode} $1'))
        ['run', 'service_url']
    """
    return {_name(match) for match in _VARIABLE.finditer(text)}


def _name(match: re.Match[str]) -> str:
    return match["braced"] or match["bare"]


def _written(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in dashboard["panels"]:
        for each in (panel, *panel.get("panels", ())):
            for target in each.get("targets", ()):
                yield each["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
