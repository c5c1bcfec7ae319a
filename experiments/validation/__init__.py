"""The benchmark: what predictors are worth on runs that they never saw.

Replaying gives a compact trace of each run and predictor; metrics are pure functions of traces;
tables and the page are made of metrics.
"""

from grokwatch.experiments.validation.judging import validate
from grokwatch.experiments.validation.splits import Contestant

__all__ = ["Contestant", "validate"]
