"""The labelled corpus: thousands of runs, in slices that anybody can train again.

Each slice is a grid and two Parquet files; `manifest.json` says what they are, `splits.json` which
runs nobody may fit on.
"""

from grokwatch.experiments.corpus.building import Site, build_slice, slice_names
from grokwatch.experiments.corpus.reading import (
    Slice,
    StoredRun,
    known_manifest,
    read_corpus,
    read_rows,
    read_slice,
)
from grokwatch.experiments.corpus.rebuilding import rebuild
from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.experiments.corpus.verifying import problems

__all__ = [
    "RunRow",
    "Site",
    "Slice",
    "StoredRun",
    "build_slice",
    "known_manifest",
    "problems",
    "read_corpus",
    "read_rows",
    "read_slice",
    "rebuild",
    "slice_names",
]
