"""How often trials of chance are made: few in the suite, all of them where `make chaos` asks."""

import os

_FULL_FACTOR = 50


def trials(few: int) -> int:
    """So many trials, or fifty times as many with GROKWATCH_CHAOS=full."""
    return few * _FULL_FACTOR if os.environ.get("GROKWATCH_CHAOS") == "full" else few
