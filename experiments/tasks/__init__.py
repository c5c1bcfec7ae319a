"""What is learned: tasks with a known rule, and two real data sets; a seed fixes every example."""

from grokwatch.experiments.tasks.arithmetic import OPERATIONS, ModularAddition, ModularArithmetic
from grokwatch.experiments.tasks.composition import PermutationComposition
from grokwatch.experiments.tasks.measured import BreastCancer, Digits
from grokwatch.experiments.tasks.multitask import MultitaskParity
from grokwatch.experiments.tasks.parity import SparseParity
from grokwatch.experiments.tasks.table import TASKS, make_task
from grokwatch.experiments.tasks.task import Split, Task

__all__ = [
    "OPERATIONS",
    "TASKS",
    "BreastCancer",
    "Digits",
    "ModularAddition",
    "ModularArithmetic",
    "MultitaskParity",
    "PermutationComposition",
    "SparseParity",
    "Split",
    "Task",
    "make_task",
]
