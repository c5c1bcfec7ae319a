"""Signals: pure functions from weights, gradients and losses to one value per model.

One family per file, each with its `SIGNALS` table at the bottom; `ALL` joins the tables in the
order in which they are read. To add a signal, write the function and one row in a table; nothing
here needs a change.
"""

from grokwatch.monitor.signals.coordinates import SIGNALS as COORDINATES
from grokwatch.monitor.signals.fourier import SIGNALS as FOURIER
from grokwatch.monitor.signals.landscape import SIGNALS as LANDSCAPE
from grokwatch.monitor.signals.loss_curve import SIGNALS as LOSS_CURVE
from grokwatch.monitor.signals.spectrum import SIGNALS as SPECTRUM
from grokwatch.monitor.signals.weights import SIGNALS as WEIGHTS
from grokwatch.monitor.snapshot import Signal

ALL: tuple[Signal, ...] = (
    *LOSS_CURVE,
    *WEIGHTS,
    *FOURIER,
    *COORDINATES,
    *SPECTRUM,
    *LANDSCAPE,
)
