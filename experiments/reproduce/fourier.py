"""What a trained network computes, seen through the Fourier transform.

One run of about a minute on one core. The result holds where the network generalises; its neurons'
phases at the output are twice those at the input, with a median gap below 30 degrees and below that
of 99 in 100 random deals; and the key frequencies do all the work at the end: without them the
train loss is above chance, with them alone it is below a tenth of chance.
"""

import math
from functools import partial

import numpy as np

from grokwatch.experiments.evaluation_steps import evaluation_steps
from grokwatch.experiments.reproduce.anatomy import Anatomy, dissect
from grokwatch.experiments.reproduce.drawing_waves import compose, compose_stars
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.trajectory import follow
from grokwatch.experiments.reproduce.workshop import Workshop

_QUICK = {"model": {"embedding": 16}, "run": {"steps": 60}}
_PER_DECADE, _FIRST = 25, 10
_GAP = math.radians(30)


def run(workshop: Workshop) -> Finding:
    """Train one network, take it apart, and draw the parts."""
    [chosen] = workshop.grid("fourier", _QUICK).runs
    steps = evaluation_steps(chosen.cell.steps, per_decade=_PER_DECADE)
    kept = [step for step in steps if step >= _FIRST]
    trained = follow([chosen], kept, workshop.root, workshop.count)
    found = dissect(trained, chosen)
    pictures = workshop.draw("fourier", partial(compose, found=found), size=(10, 8.6))
    stars = workshop.draw("fourier-stars", partial(compose_stars, found=found), size=(10, 6.2))
    return Finding(
        sentence=sentence(found),
        columns=("frequency", "neurons", "power in", "power out", "median gap"),
        rows=_rows(found),
        figures=_figures(found),
        pictures=(*pictures, *stars),
        holds=workshop.quick or holds(found),
    )


def holds(found: Anatomy) -> bool:
    """The criterion above."""
    chance = math.log(found.modulus)
    gap = float(np.median(found.gaps))
    is_doubled = gap < _GAP and gap < float(np.quantile(found.random, 0.01))
    is_wave = found.losses.excluded[-1] > chance and found.losses.restricted[-1] < chance / 10
    return bool(found.accuracy[-1] >= 0.95 and is_doubled and is_wave)


def sentence(found: Anatomy) -> str:
    """What the network computes, in figures."""
    gap, random = (math.degrees(np.median(x)) for x in (found.gaps, found.random))
    keys = ", ".join(map(str, found.keys))
    last = found.losses
    return (
        f"{len(found.inputs.phases)} neurons use {len(found.keys)} key frequencies ({keys}), a "
        f"median share of {np.median(found.inputs.shares):.1%} of their power at the input; the "
        f"phase at the output is twice that at the input up to a median of {gap:.1f} degrees "
        f"(random pairing: {random:.0f}). At the end, with {found.accuracy[-1]:.1%} of held-out "
        f"pairs right, train loss without these frequencies is {last.excluded[-1]:.2f} nats "
        f"(chance {math.log(found.modulus):.2f}), and loss with them alone "
        f"{last.restricted[-1]:.2g}."
    )


def _rows(found: Anatomy) -> tuple[tuple[str, ...], ...]:
    """A row for each key frequency."""
    rows = []
    powers = [np.square(waves.amplitudes) for waves in (found.inputs, found.outputs)]
    for key in found.keys:
        ours = found.inputs.frequencies == key
        shares = [f"{power[ours].sum() / power.sum():.0%}" for power in powers]
        gap = math.degrees(np.median(found.gaps[ours]))
        rows.append((str(key), str(int(ours.sum())), *shares, f"{gap:.1f} degrees"))
    return tuple(rows)


def _figures(found: Anatomy) -> dict[str, float]:
    """The numbers behind the sentence."""
    gap = float(np.median(found.gaps))
    same = strongest_are_shared(found)
    return {
        "key frequencies": float(len(found.keys)),
        "median share at input": float(np.median(found.inputs.shares)),
        "median share at output": float(np.median(found.outputs.shares)),
        "neurons with one frequency at both ends": same,
        "median gap, degrees": math.degrees(gap),
        "median gap of random deals, degrees": math.degrees(float(np.median(found.random))),
        "deals at least as good": float(np.mean(found.random <= gap)),
        "excluded loss": float(found.losses.excluded[-1]),
        "restricted loss": float(found.losses.restricted[-1]),
        "test accuracy": float(found.accuracy[-1]),
    }


def strongest_are_shared(found: Anatomy) -> float:
    """Share of neurons whose output has most of its power at the input's frequency."""
    return float(np.mean(found.outputs.shares > 0.5))
