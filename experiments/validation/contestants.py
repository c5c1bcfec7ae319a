"""Who is judged unless others are named: the standing list, the headline first.

The fitted models have a target for each scheme that they were fitted for; the same models with
families of signals hidden are judged on left-out cells alone. Rules are the same everywhere.
"""

from grokwatch.experiments.validation.splits import (
    ARCHITECTURE,
    CELL,
    FAMILY,
    SEED,
    Contestant,
    contestant,
)

_FAMILIES = ("cyclic", "parity", "permutations")
_SEEN = {
    "hazard, loss alone": "loss",
    "hazard, + norms": "loss+norms+updates+logits",
    "hazard, + landscape": "loss+norms+updates+logits+landscape",
    "hazard, without landscape": "loss+norms+updates+logits+spectra+structure",
}
_RULES = (
    "threshold:",
    "weight_norm:",
    "oscillation:",
    "commutator:",
    "spectral_entropy:",
    "norm_law:",
    "dmd:",
    "change_point:",
)

HAZARD = Contestant(
    name="hazard",
    targets={
        CELL: "hazard:",
        **{f"{FAMILY}: {family}": f"hazard:model=without-{family}" for family in _FAMILIES},
        f"{ARCHITECTURE}: transformer": "hazard:model=without-transformer",
        SEED: "hazard:model=some-seeds",
    },
)
"""The headline: one model for each scheme, fitted without what the scheme leaves out."""

STANDING: tuple[Contestant, ...] = (
    HAZARD,
    *(Contestant(name=name, targets={CELL: f"hazard:only={seen}"}) for name, seen in _SEEN.items()),
    *map(contestant, _RULES),
)
"""Everybody; the dummies are judged beside them without being named."""
