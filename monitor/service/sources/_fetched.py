"""What a source hands over, and what it asks of who keeps it."""

from collections.abc import Callable
from typing import Final

import msgspec

from grokwatch.monitor.service.sources._answers import Run
from grokwatch.monitor.service.sources._memory import SourceMemory
from grokwatch.monitor.service.views import Batch
from grokwatch.monitor.state import pack

Recall = Callable[[str], bytes | None]
"""Run id -> what was committed of it last, None for a run that is new."""

Leave = Callable[[str, str, str], bool]
"""Our id of a run, the source's id of it, where it is shown -> whether it is left to its push."""

LEFT: Final = pack(SourceMemory(is_left=True))
"""What is remembered of a run that is left to its push, and of which nothing was read."""

_OUR_ID: Final = "grokwatch.run_id"


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one run, and what is to be remembered in the same transaction.

    `link` is where the run is shown.
    """

    batch: Batch
    run_id: str
    memory: bytes
    link: str


def our_id(run: Run) -> str:
    """The id under which our own sink logged a run; "" where others logged it."""
    return next((tag.value for tag in run.data.tags if tag.key == _OUR_ID), "")
