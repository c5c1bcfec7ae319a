"""Signals: pure functions from weights, gradients and losses to one value per model.

One family per file, each with its `SIGNALS` table at the bottom; `ALL` joins the tables in the
order in which they are read. To add a signal, write the function and one row in a table; nothing
here needs a change.
"""

from grokwatch.monitor.signals.attention import SIGNALS as ATTENTION
from grokwatch.monitor.signals.basis import SIGNALS as BASIS
from grokwatch.monitor.signals.commutator import SIGNALS as COMMUTATOR
from grokwatch.monitor.signals.coordinates import SIGNALS as COORDINATES
from grokwatch.monitor.signals.excluded import SIGNALS as EXCLUDED
from grokwatch.monitor.signals.fourier import SIGNALS as FOURIER
from grokwatch.monitor.signals.gradients import SIGNALS as GRADIENTS
from grokwatch.monitor.signals.landscape import SIGNALS as LANDSCAPE
from grokwatch.monitor.signals.logits import SIGNALS as LOGITS
from grokwatch.monitor.signals.loss_curve import SIGNALS as LOSS_CURVE
from grokwatch.monitor.signals.neighbors import SIGNALS as NEIGHBORS
from grokwatch.monitor.signals.noise_scale import SIGNALS as NOISE_SCALE
from grokwatch.monitor.signals.norm_course import SIGNALS as NORM_COURSE
from grokwatch.monitor.signals.permutations import SIGNALS as PERMUTATIONS
from grokwatch.monitor.signals.perturbation import SIGNALS as PERTURBATION
from grokwatch.monitor.signals.power_law import SIGNALS as POWER_LAW
from grokwatch.monitor.signals.representations import SIGNALS as REPRESENTATIONS
from grokwatch.monitor.signals.sharpness import SIGNALS as SHARPNESS
from grokwatch.monitor.signals.spectrum import SIGNALS as SPECTRUM
from grokwatch.monitor.signals.synchronization import SIGNALS as SYNCHRONIZATION
from grokwatch.monitor.signals.tangents import SIGNALS as TANGENTS
from grokwatch.monitor.signals.trace import SIGNALS as TRACE
from grokwatch.monitor.signals.traps import SIGNALS as TRAPS
from grokwatch.monitor.signals.update_gram import SIGNALS as UPDATE_GRAM
from grokwatch.monitor.signals.updates import SIGNALS as UPDATES
from grokwatch.monitor.signals.walsh import SIGNALS as WALSH
from grokwatch.monitor.signals.weight_spread import SIGNALS as WEIGHT_SPREAD
from grokwatch.monitor.signals.weights import SIGNALS as WEIGHTS
from grokwatch.monitor.snapshot import Signal

ALL: tuple[Signal, ...] = (
    *LOSS_CURVE,
    *WEIGHTS,
    *WEIGHT_SPREAD,
    *NORM_COURSE,
    *UPDATES,
    *UPDATE_GRAM,
    *GRADIENTS,
    *LOGITS,
    *FOURIER,
    *SYNCHRONIZATION,
    *BASIS,
    *EXCLUDED,
    *PERMUTATIONS,
    *COORDINATES,
    *WALSH,
    *SPECTRUM,
    *POWER_LAW,
    *TRAPS,
    *REPRESENTATIONS,
    *NEIGHBORS,
    *ATTENTION,
    *TANGENTS,
    *LANDSCAPE,
    *SHARPNESS,
    *TRACE,
    *PERTURBATION,
    *NOISE_SCALE,
    *COMMUTATOR,
)
