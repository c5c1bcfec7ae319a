"""A run's row as one row of a table that other tools can read, and back."""

from collections.abc import Mapping
from typing import Any

import msgspec

from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.monitor.errors import WireError
from grokwatch.monitor.records import Outcome, RunEnded, RunStarted

_PLAIN = tuple(name for name in RunRow.__struct_fields__ if name not in {"start", "end", "outcome"})
_LONG = ("hyper_parameters", "signals", "skipped")


def flat(row: RunRow) -> dict[str, object]:
    """A run's row in numbers and texts.

    What is long and often the same (signals, what was skipped) and the hyper-parameters are columns
    of their own, as JSON; `start` holds the rest of how the run started.

    Args:
        row: of the run.

    Returns:
        Column -> value; the columns are the same for all runs.
    """
    start = msgspec.to_builtins(row.start)
    start.pop("run_id")
    end = msgspec.to_builtins(row.end)
    end.pop("run_id")
    outcome = msgspec.to_builtins(row.outcome)
    return {
        **{name: getattr(row, name) for name in _PLAIN},
        **outcome,
        **{name: _json(start.pop(name)) for name in _LONG},
        "start": _json(start),
        "end": _json(end),
    }


def row_from(found: Mapping[str, object], where: str) -> RunRow:
    """A run's row again.

    Args:
        found: as `flat` made it.
        where: it was found, for the message.

    Returns:
        The row.

    Raises:
        WireError: a column is missing or of another kind.
    """
    try:
        run_id = found["run_id"]
        long = {name: _content(found[name]) for name in _LONG}
        start = {**_content(found["start"]), **long, "run_id": run_id}
        end = {**_content(found["end"]), "run_id": run_id}
        outcome = {name: found[name] for name in Outcome.__struct_fields__}
        return RunRow(
            **msgspec.convert({name: found[name] for name in _PLAIN}, dict),
            start=msgspec.convert(start, RunStarted),
            end=msgspec.convert(end, RunEnded),
            outcome=msgspec.convert(outcome, Outcome),
        )
    except (KeyError, msgspec.MsgspecError) as error:
        msg = (
            f"Expected runs with all their columns in {where}, got {error}. "
            "Try `grokwatch corpus build` for its slice."
        )
        raise WireError(msg) from error


def _json(content: object) -> str:
    return msgspec.json.encode(content, order="sorted").decode()


def _content(text: object) -> Any:
    return msgspec.json.decode(str(text))
