"""Which runs belong together: twins, folds, families, architectures."""

from dataclasses import replace

from grokwatch.experiments.sweep.runs import Cell, Run, digest

RANDOM_LABELS = "random_labels"

_SAME_AS = {"modular_addition": "modular_arithmetic"}
_FAMILIES = {
    "modular_addition": "cyclic",
    "modular_arithmetic": "cyclic",
    "permutation_composition": "permutations",
    "sparse_parity": "parity",
    "multitask_parity": "parity",
}
_OTHERS = "measured"


def fold_of(cell: Cell) -> str:
    """Name of what a cell shares with all that must be split alike.

    Left out are the seed, whether labels are random (a twin goes with its sibling), and how long
    and how often a run was looked at: otherwise one trajectory could be in two parts.

    Args:
        cell: of a run.

    Returns:
        16 hexadecimal digits.
    """
    parts = (cell.task, cell.model, cell.optimizer)
    chosen = [{k: v for k, v in part.chosen.items() if k != RANDOM_LABELS} for part in parts]
    names = [_SAME_AS.get(part.name, part.name) for part in parts]
    return digest([names, chosen, cell.loss])


def has_random_labels(cell: Cell) -> bool:
    """Whether there is nothing to learn but by heart."""
    return bool(cell.task.options.get(RANDOM_LABELS, False))


def twin_of(run: Run) -> str:
    """Id of the run that differs in whether labels are random, and in nothing else.

    Args:
        run: with labels of either kind.

    Returns:
        The id, whether or not anybody trained it.
    """
    task = run.cell.task
    chosen = {key: value for key, value in task.chosen.items() if key != RANDOM_LABELS}
    if not has_random_labels(run.cell):
        chosen[RANDOM_LABELS] = True
    return Run(replace(run.cell, task=replace(task, chosen=chosen)), run.seed).id


def family_of(task: str) -> str:
    """Family of a task: operations modulo p are one, for they are nearly the same.

    Example:
        >>> family_of("permutation_composition"), family_of("digits")
        ('permutations', 'measured')
    """
    return _FAMILIES.get(task, _OTHERS)


def architecture_of(model: str) -> str:
    """Kind of a model.

    Example:
        >>> architecture_of("transformer"), architecture_of("direct_mlp")
        ('transformer', 'mlp')
    """
    return "transformer" if model == "transformer" else "mlp"
