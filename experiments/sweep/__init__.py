"""Many runs at once: a grid of settings, cut into chunks, each trained as one stack of models.

Nothing here decides what is measured or what it means: signals, records and labels are those of a
single run under the callback.
"""

from grokwatch.experiments.sweep.chunks import CHUNK_BYTES, Chunk, plan
from grokwatch.experiments.sweep.engine import sweep
from grokwatch.experiments.sweep.grid import Grid, read_grid
from grokwatch.experiments.sweep.runs import Cell, Part, Run
from grokwatch.experiments.sweep.store import read_chunk, write_chunk
from grokwatch.experiments.sweep.training import train

__all__ = [
    "CHUNK_BYTES",
    "Cell",
    "Chunk",
    "Grid",
    "Part",
    "Run",
    "plan",
    "read_chunk",
    "read_grid",
    "sweep",
    "train",
    "write_chunk",
]
