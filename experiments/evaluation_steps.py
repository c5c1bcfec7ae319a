"""When a run is evaluated: on one grid of steps for all."""


def evaluation_steps(total: int, *, per_decade: int = 100) -> tuple[int, ...]:
    """Log-spaced steps from 1 to `total`, which is always among them.

    The grid depends neither on `total` nor on what a run does: all runs are evaluated alike.

    Args:
        total: last step, >= 1.
        per_decade: grid points per factor of ten; those that fall on the same step are merged.

    Returns:
        Ascending steps.

    Example:
        >>> evaluation_steps(10, per_decade=5)
        (1, 2, 3, 4, 6, 10)
    """
    steps = {total}
    exponent = 0
    while (step := round(10 ** (exponent / per_decade))) < total:
        steps.add(step)
        exponent += 1
    return tuple(sorted(steps))
