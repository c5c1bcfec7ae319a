"""Units, thresholds and words that several dashboards share."""

from dashboards.grafana import colors
from dashboards.grafana.entries import Step, Thresholds, Word, Words
from grokwatch.monitor.sinks.points import stage_number
from grokwatch.monitor.vocabulary import AlertCode, Stage

RATIO = "percentunit"
SECONDS = "s"
COUNT = "short"
BYTES = "bytes"
SCIENTIFIC = "sci"

REACH = {RATIO: 0.01, SECONDS: 0.001, COUNT: 1.0, BYTES: 1024.0}
"""A unit -> the least that an axis reaches up to, so that one of zeros has an end that fits."""

REACH_OF_RATES = 0.1

STALE_SECONDS = 900.0
"""From here on the rule GrokwatchObservationStale counts; after a day a run is history."""

DAY_SECONDS = 86_400.0


def by_second(things: str) -> str:
    """Write the unit of a rate.

    Example:
        >>> by_second("records")
        'suffix:records/s'
    """
    return f"suffix:{things}/s"


STAGES: Words = tuple(
    Word(str(stage_number(stage)), stage.value.replace("_", " "), colors.STAGES[stage])
    for stage in Stage
)
CODES: Words = tuple(
    Word(code.value, f"{code.value} {code.name.lower().replace('_', ' ')}", colors.CODES[code])
    for code in AlertCode
)
FIRING: Words = (Word("1", "firing or confirmed"),)
WRITABLE: Words = (Word("0", "no", colors.VERMILLION), Word("1", "yes", colors.GREEN))

STAGE: Thresholds = (
    Step(None, colors.STAGES[Stage.FITTING]),
    *(
        Step(float(stage_number(stage)), colors.STAGES[stage])
        for stage in Stage
        if stage is not Stage.FITTING
    ),
)
ACCURACY: Thresholds = (Step(None, colors.GREY), Step(0.5, colors.SKY), Step(0.95, colors.GREEN))
# GRK002 gives up at .05 and GRK001 warns from .9, where the predictor has no level of its own.
PROBABILITY: Thresholds = (
    Step(None, colors.VERMILLION),
    Step(0.05, colors.GREY),
    Step(0.5, colors.SKY),
    Step(0.9, colors.BLUE),
)
OVERHEAD: Thresholds = (
    Step(None, colors.GREEN),
    Step(0.01, colors.ORANGE),
    Step(0.05, colors.VERMILLION),
)
AGE: Thresholds = (
    Step(None, colors.GREEN),
    Step(60.0, colors.ORANGE),
    Step(STALE_SECONDS, colors.VERMILLION),
)
TROUBLE: Thresholds = (Step(None, colors.GREEN), Step(1.0, colors.VERMILLION))
"""None of it is well; one is not."""

NEWS: Thresholds = (Step(None, colors.NEUTRAL), Step(1.0, colors.BLUE))
"""None is nothing to say; one is worth a look."""

LAG: Thresholds = (
    Step(None, colors.GREEN),
    Step(1.0, colors.ORANGE),
    Step(10.0, colors.VERMILLION),
)
WAITING: Thresholds = (Step(None, colors.GREEN), Step(500.0, colors.VERMILLION))
"""From a batch on, the rule GrokwatchSinkFailing counts."""

SCRAPE: Thresholds = (Step(None, colors.GREEN), Step(4.0, colors.VERMILLION))
"""From its timeout on, a scrape is lost."""
