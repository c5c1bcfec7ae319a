"""The circular solution: exact where neurons square, and learned where tokens stand on a circle.

Every pair of every modulus in `MODULI` is looked at for 1 to 12 neurons, and five seeds of the
network with fixed circular embeddings are trained: about a minute on one core. The result holds
where squaring neurons answer every pair of an odd modulus, and all but the M tied ones of an even
modulus, for 3 neurons and for 5 to 12 but not for 1, 2 or 4; and where most of the trained seeds
pass 95 % of the held-out pairs at the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from grokwatch.experiments.reproduce.circle import Verdict, circular_logits, judge
from grokwatch.experiments.reproduce.drawing_circle import COUNTS, MODULUS, compose
from grokwatch.experiments.reproduce.milestones import last_accuracy
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.workshop import Workshop
from grokwatch.monitor.story import Story

MODULI = (*range(3, 31), 53, 59, 66, 67, 96, 97, 113)

_FEW = (5, 6, 67)
_QUICK = {"run": {"steps": 60, "seeds": 2, "per_decade": 10}}
_PASSED = 0.95
_NEVER = frozenset({1, 2, 4})
_FIVE = 5
_MOST = 150


def run(workshop: Workshop) -> Finding:
    """Check the construction, train its network, and draw both."""
    moduli = _FEW if workshop.quick else MODULI
    broken = list(contradictions(moduli))
    verdicts = {
        activation: {n: judge(circular_logits(MODULUS, n, activation)) for n in COUNTS}
        for activation in ("relu", "square")
    }
    stories = workshop.stories("circular", _QUICK)
    accuracies = {name: [v.accuracy for v in each.values()] for name, each in verdicts.items()}
    draw = partial(compose, accuracies=accuracies, stories=stories)
    pictures = workshop.draw("circular", draw, size=(10, 9))
    reach = relu_reach(_MOST // 10 if workshop.quick else _MOST)
    passed = sum(last_accuracy(story) >= _PASSED for story in stories)
    return Finding(
        sentence=_sentence(moduli, broken, reach, stories),
        columns=("neurons", "ReLU, right pairs", "squared, right pairs"),
        rows=_rows(verdicts),
        figures={
            "cases checked": float(len(moduli) * len(COUNTS)),
            "cases against the proof": float(len(broken)),
            "largest modulus of five ReLUs": float(reach),
            "trained seeds": float(len(stories)),
            "trained seeds past .95": float(passed),
            "least trained accuracy": min(map(last_accuracy, stories)),
        },
        pictures=pictures,
        holds=not broken and (workshop.quick or 2 * passed > len(stories)),
    )


def contradictions(moduli: Sequence[int]) -> Iterator[tuple[int, int, Verdict]]:
    """Cases where squaring neurons do otherwise than the proof says: modulus, neurons, pairs."""
    for modulus in moduli:
        tied = 0 if modulus % 2 else modulus
        proven = Verdict(modulus**2 - tied, 0, tied)
        for count in COUNTS:
            verdict = judge(circular_logits(modulus, count, "square"))
            if (verdict == proven) != (count not in _NEVER):
                yield modulus, count, verdict


def relu_reach(most: int) -> int:
    """The modulus up to which five ReLUs answer every pair of every odd modulus from 3 on."""
    for modulus in range(3, most, 2):
        if judge(circular_logits(modulus, _FIVE, "relu")).accuracy < 1:
            return modulus - 2
    return most - 1 - most % 2


def _sentence(
    moduli: Sequence[int], broken: Sequence[object], reach: int, stories: Sequence[Story]
) -> str:
    """What was checked, and what training makes of it."""
    cases = len(moduli) * len(COUNTS)
    finals = [last_accuracy(story) for story in stories]
    passed = sum(final >= _PASSED for final in finals)
    return (
        f"of {cases} cases ({len(moduli)} moduli, {COUNTS[0]} to {COUNTS[-1]} squaring neurons, "
        f"every pair) {len(broken)} contradict the proof: exact for odd moduli and all numbers of "
        f"neurons but 1, 2 and 4, and on even moduli exactly the M pairs with a - b = M/2 tie. "
        f"Five ReLUs written down the same way answer every pair up to modulus {reach}. "
        f"Trained with fixed circular embeddings, {passed} of {len(finals)} seeds pass 95 % of the "
        f"held-out pairs ({min(finals):.1%} to {max(finals):.1%})."
    )


def _rows(verdicts: Mapping[str, Mapping[int, Verdict]]) -> tuple[tuple[str, ...], ...]:
    """A row for each number of neurons."""
    return tuple(
        (str(count), *(f"{each[count].accuracy:.1%}" for each in verdicts.values()))
        for count in COUNTS
    )
