"""Logits by frequency: what they need, and the networks for which they are exact.

For tokens a and b the logit of answer c is

    sum_n relu(E[a, n] + E[b, n]) U[c, n]

with E what tokens add to neurons and U what neurons add to answers. The sum over the neurons of one
frequency alone is that frequency's part of it. This holds for one hidden layer of ReLUs without
biases that adds up both tokens by the same matrix.
"""

from collections.abc import Mapping

import msgspec

from grokwatch.monitor.report.weights_data import Looks
from grokwatch.monitor.text import in_one_line

_NO_MATRICES = (
    "Logits by frequency need two matrices over the numbers modulo p with a column for each neuron "
    "of one hidden layer: Probe(roles={'input': ...}, frames={'output': ...})."
)
_OTHER_NETWORK = (
    "Logits by frequency are exact for one hidden layer of ReLUs that adds up both tokens by the "
    "same matrix; this run says {name} = {value}."
)
_LONGEST = 60
_NOT_WHOLE = "Logits by frequency need all neurons, and this network has more than are drawn."
_EXACT: Mapping[str, tuple[object, ...]] = {
    "model.activation": ("relu",),
    "model.embeddings": ("tied", "input_tied"),
    "model.separate": (False,),
}


class LogitsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page needs beside the matrices.

    Attributes:
        is_addition: whether (a + b) mod p is the right answer as far as the run says; else none is
            marked.
    """

    is_addition: bool


def logits_view(
    looks: Looks, hyper_parameters: Mapping[str, object], *, is_whole: bool
) -> LogitsView | str:
    """Whether logits can be computed from the matrices.

    Args:
        looks: at the weights.
        hyper_parameters: of the run, which may say that the formula does not hold.
        is_whole: whether the page has every neuron.

    Returns:
        The view, or why there is none.
    """
    outward = looks.outward
    is_fit = looks.group is not None and looks.group.kind == "cyclic" and outward is not None
    roles = (looks.inward_role, looks.outward_role)
    if not is_fit or outward is None or roles != ("input", "output"):
        return _NO_MATRICES
    if outward.shape != looks.inward.shape:
        return _NO_MATRICES
    for name, allowed in _EXACT.items():
        if hyper_parameters.get(name, allowed[0]) not in allowed:
            told = in_one_line(str(hyper_parameters[name]))[:_LONGEST]
            return _OTHER_NETWORK.format(name=name, value=told)
    if not is_whole:
        return _NOT_WHOLE
    is_shuffled = hyper_parameters.get("task.random_labels", False) is True
    operation = hyper_parameters.get("task.operation", "add")
    return LogitsView(is_addition=operation == "add" and not is_shuffled)
