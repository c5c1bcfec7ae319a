"""The weights of a run over time, as the page draws them: sorted, packed, and no larger than 2 MB.

What is drawn depends on the group. Weights over the numbers modulo p are told as waves; weights
over bits by how much each bit weighs. A view whose data are missing has a sentence that says why.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from grokwatch.monitor.records import AnyRecord, RunStarted
from grokwatch.monitor.report.bits_view import BitsView, bit_order, bits_view
from grokwatch.monitor.report.logits_view import LogitsView, logits_view
from grokwatch.monitor.report.packing import Kind, Packed, pack
from grokwatch.monitor.report.thinning import strided
from grokwatch.monitor.report.waves import Real, finite
from grokwatch.monitor.report.waves_view import WavesView, wave_order, waves_view
from grokwatch.monitor.report.weights_data import Looks, read_looks
from grokwatch.monitor.story import start_of
from grokwatch.monitor.text import in_one_line

MAX_BYTES = 1_200_000
MAX_ROWS = 128

_FINE = 600_000
_FEWEST = 2

_NO_WAVES = (
    "The weights are not drawn as waves: this run does not say that its tokens are numbers "
    "modulo p. Probe(group='cyclic:p') says so."
)
_NO_READOUT = (
    "Only the weights that tokens come in by were kept: no matrix that answers go out by runs over "
    "the same numbers. Probe(frames={'output': ...}) names one."
)
_NO_FRAMES = (
    "No weights were kept. A monitor keeps them where it finds an embedding or an input layer of "
    "at most 1 MiB and weight_frames is not 0; journals of other sources hold none."
)


class WeightsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows of the weights.

    Attributes:
        kind: `cyclic` for numbers modulo p, `bits` for bits, `plain` for anything else.
        order: number of tokens, bits or rows.
        unit: what has a row in the heatmap: `neuron` or `dimension`.
        units: the number in the model of each row, in the order in which rows are drawn.
        steps: of the looks.
        inward: for each look the matrix that tokens come in by, `(rows, order)`.
        outward: the same of the one that answers go out by; empty where there is none.
        limit: the weight at which colors end.
        waves: frequencies, phases, stars and circles.
        logits: what is needed to compute logits from the matrices.
        bits: how much each bit weighs.
        notes: sentences on what was left out of the page.
        missing: id of a view -> why it is not there.
    """

    kind: Literal["cyclic", "bits", "plain"]
    order: int
    unit: str
    units: tuple[int, ...]
    steps: tuple[int, ...]
    inward: tuple[Packed, ...]
    outward: tuple[Packed, ...]
    limit: float
    waves: WavesView | None
    logits: LogitsView | None
    bits: BitsView | None
    notes: tuple[str, ...]
    missing: dict[str, str]


def weights_report(records: Sequence[AnyRecord]) -> WeightsReport | None:
    """Make the report of a run's weights.

    Args:
        records: of one run, as its journal gives them.

    Returns:
        The report; None where no weights were kept (`why_no_weights` says why).
    """
    looks = read_looks(records)
    if looks is None:
        return None
    started = start_of(records)
    return _report(looks, {} if started is None else dict(started.hyper_parameters))


def why_no_weights(started: RunStarted | None) -> str:
    """Say why a run has no weights to show.

    Args:
        started: how the run began, or None where its records do not say.

    Returns:
        A sentence or two.
    """
    skipped = started.skipped if started else ()
    reasons = [in_one_line(skip.reason) for skip in skipped if skip.name == "weight_frames"]
    return f"No weights were kept: {reasons[0]}." if reasons else _NO_FRAMES


def _report(looks: Looks, hyper_parameters: dict[str, object]) -> WeightsReport:
    """Sort, thin and pack."""
    kind = _kind(looks)
    rows = _rows(looks.inward[-1].T, kind)
    is_double = looks.outward is not None and looks.outward.shape == looks.inward.shape
    order = looks.inward.shape[1]
    # a power for every second number, and both ends
    numbers = len(rows) * order * (5 if is_double else 3) // 2
    shown, dtype = _fitted(len(looks.steps), numbers)
    drawn = _by_row(looks.inward, shown, rows)
    paired = (
        _by_row(looks.outward, shown, rows) if looks.outward is not None and is_double else None
    )
    logits = logits_view(looks, hyper_parameters, is_whole=len(rows) == looks.width)
    return WeightsReport(
        kind=kind,
        order=order,
        unit="neuron" if looks.inward_role == "input" else "dimension",
        units=tuple(rows),
        steps=tuple(looks.steps[place] for place in shown),
        inward=tuple(pack(matrix, dtype) for matrix in drawn),
        outward=() if paired is None else tuple(pack(matrix, dtype) for matrix in paired),
        limit=_limit(drawn),
        waves=waves_view(drawn, paired) if kind == "cyclic" else None,
        logits=None if isinstance(logits, str) else logits,
        bits=bits_view(looks.inward[shown], hyper_parameters) if kind == "bits" else None,
        notes=tuple(_notes(looks, len(shown), len(rows))),
        missing=_missing(kind, logits, has_readout=is_double),
    )


def _by_row(looks: npt.NDArray[np.float32], shown: list[int], rows: list[int]) -> Real:
    """Some rows of some looks, `(looks, rows, order)`, with a row for each neuron."""
    return looks[shown][:, :, rows].transpose(0, 2, 1).astype(np.float64)


def _rows(last: npt.NDArray[np.float32], kind: str) -> list[int]:
    """The largest rows, in the order in which they are drawn."""
    rows = finite(last)
    largest = np.argsort(-np.linalg.norm(rows, axis=1), kind="stable")[:MAX_ROWS]
    order = wave_order(rows[largest]) if kind == "cyclic" else bit_order(rows[largest])
    return [int(row) for row in largest[order]]


def _kind(looks: Looks) -> Literal["cyclic", "bits", "plain"]:
    """Which views fit."""
    kind = looks.group.kind if looks.group else ""
    if kind == "bits":
        return "bits"
    return "cyclic" if kind == "cyclic" and looks.inward.shape[1] > 2 else "plain"


def _fitted(num_looks: int, numbers: int) -> tuple[list[int], Kind]:
    """Which looks fit the page, and how exactly: 16 bits where all fit, else 8 and fewer looks."""
    if 2 * numbers * num_looks <= _FINE:
        return list(range(num_looks)), "i2"
    return strided(range(num_looks), max(_FEWEST, MAX_BYTES // max(1, numbers))), "i1"


def _limit(matrices: Real) -> float:
    """What nearly all weights stay below at every look."""
    sizes = np.abs(matrices[np.isfinite(matrices)])
    return float(np.quantile(sizes, 0.998)) if sizes.size else 1.0


def _notes(looks: Looks, num_shown: int, num_rows: int) -> Iterator[str]:
    """What was left out."""
    if num_shown < len(looks.steps):
        yield f"{num_shown} of {len(looks.steps)} looks at the weights are in this page."
    if num_rows < looks.width:
        yield f"The {num_rows} largest of {looks.width} rows are drawn."
    if looks.num_damaged:
        yield f"{looks.num_damaged} frames were left out because they are damaged."


def _missing(kind: str, logits: LogitsView | str, *, has_readout: bool) -> dict[str, str]:
    """Why views are not there; those that make no sense for the group are not missed."""
    if kind == "plain":
        return {"weights-waves": _NO_WAVES}
    if kind == "bits":
        return {}
    found = {} if has_readout else {"weights-stars-out": _NO_READOUT}
    return found | ({"weights-logits": logits} if isinstance(logits, str) else {})
