"""Many models on a CUDA device: one recorded graph for all, against a loop around one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from grokwatch.experiments.bench.rows import Row, median_interval
from grokwatch.experiments.bench.sweep_arms import EAGER, LOOP, Trainee, loop, stacked, taking_turns
from grokwatch.experiments.bench.sweep_shapes import Shape
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.modules import hushed
from grokwatch.experiments.overhead import measure
from grokwatch.experiments.threads import one_thread

COUNT = 1024
LEAST = 50.0
STEPS = 100
WHAT = f"{COUNT} models in a CUDA graph over a loop on the same device"
_WARM_UP = 1
