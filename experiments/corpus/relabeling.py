"""Labels made again from what the corpus keeps: rounding must not change one."""

import msgspec

from grokwatch.experiments.corpus.reading import Slice
from grokwatch.experiments.sweep.ends import outcome_of


def changed_labels(found: Slice) -> list[str]:
    """Runs whose stored label is not the one that their stored accuracies give.

    Args:
        found: a slice.

    Returns:
        A sentence for each.
    """
    problems = []
    for place in range(len(found.rows)):
        run = found.run(place, without_values=True)
        again = outcome_of([*run.observations, *run.evaluations], run.row.num_test)
        if again != run.row.outcome:
            key = next(
                name
                for name in msgspec.structs.asdict(again)
                if getattr(again, name) != getattr(run.row.outcome, name)
            )
            problems.append(
                f"Expected {key} of run {run.row.run_id} in slice {found.name} as "
                f"{getattr(again, key)}, which its accuracies give, got "
                f"{getattr(run.row.outcome, key)}."
            )
    return problems
