"""The landscape of the train loss where the weights are: what second-order signals differentiate.

A trainer's step cannot be run again without changing it, so the loss is the probe's own or a
standard one (`standard_loss`), on a fixed sub-batch, so that its peak memory stays under
training's own. Near loss 0 float32 differences are rounding noise, so small models are evaluated in
float64; where a model refuses that, or has no second derivative, the next best is chosen once, at
the start, and said.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from grokwatch.monitor.batch import Batch, num_examples
from grokwatch.monitor.bystander import device_of
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.loss_replay import Graph, LossOfBatch, LossReplay, distance, trainable
from grokwatch.monitor.snapshot import WHOLE, Part

Method: TypeAlias = Literal["double backward", "finite differences"]
T = TypeVar("T")

MOST_IN_FLOAT64 = 1_000_000
MOST_UNASKED = 1_000_000
"""Weights up to which a loss that was recognized is used: products keep several vectors."""
MOST_PARAMETERS = 100_000_000
"""Weights up to which a loss that the user gave is used."""
CONTRADICTION = 0.02
COARSE_CONTRADICTION = 0.1
CLEARLY = 10.0


class Curvature:
    """The train loss on fixed examples, its gradient, and its Hessian times vectors.

    Vectors are flat over the trainable parameters in the order of `named_parameters()`. What can be
    shared until `close` is: the graph of the part last multiplied with.

    Args:
        module: the model being trained.
        loss: `loss(module, batch) -> scalar`, the mean over examples.
        batch: examples that stay as they are, such as a `sub_batch`.

    Attributes:
        num_examples: how many examples; 1 where they cannot be counted.
        dtype: what losses and gradients are computed in.
        method: how products are computed.
        guesses: sentences on what is not as it should be.
    """

    def __init__(self, module: nn.Module, loss: LossOfBatch, batch: Batch) -> None:
        self.num_examples = num_examples(batch) or 1
        self._own_dtype = self.dtype = _coarsest(module)
        self.method: Method = "double backward"
        self.guesses: tuple[str, ...] = ()
        self._own = self._replay = LossReplay(module, loss, batch, None)
        if _fits_float64(module):
            self.dtype = torch.float64
            self._replay = LossReplay(module, loss, batch, self.dtype)
        self._is_precise = self.dtype is self._own_dtype  # or else that is to be tried
        self._is_settled = False
        self._graph: Graph | None = None

    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        """The loss at the weights plus an offset: a scalar, at least float32."""
        self._check(part)
        self._settle_precision()
        graph = self._opened(part) if offset is None else None
        value = graph.loss if graph else self._contain(lambda: self._replay.loss(offset, part))
        return value.to(torch.promote_types(value.dtype, torch.float32))

    def gradient(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        """The gradient there: `(P,)`, at least float32."""
        self._check(part)
        self._settle_precision()
        graph = self._opened(part) if offset is None else None
        if graph is not None:
            return graph.gradient()
        return self._contain(lambda: self._replay.gradient(offset, part))

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        """Multiply the Hessian with a vector; products on one part share one graph until `close`.

        Args:
            vector: `(P,)` over all trainable parameters in order.
            part: of the examples.

        Returns:
            `(P,)`, in the vector's dtype.
        """
        self._check(part)
        self.settle()
        compute = self._exact if self.method == "double backward" else self._difference
        return self._contain(lambda: compute(vector, part)).to(vector.dtype)

    def settle(self) -> None:
        """Choose precision and method, once; what fails for another reason is raised.

        Double backward is given up where it raises, where its matrix is not symmetric, and, in
        float64, where it contradicts differences that agree with each other: a kernel whose
        gradient comes from outside the graph raises nothing, nor does one that is marked as
        differentiable once where the derivative is taken for chosen inputs (torch 2.13).
        """
        self._settle_precision()
        if not self._is_settled:
            if reason := self._contain(self._refusal):
                self.method = "finite differences"
                self._say(f"Hessian products are finite differences of gradients, because {reason}")
                if self.dtype is not torch.float64:
                    self._say("kinks, as of ReLUs, make such products noisy in float32")
            self._is_settled = True
            self.close()

    def close(self) -> None:
        """Let go of the graph; what is read next is read at the weights of its own time."""
        self._graph = None

    def _settle_precision(self) -> None:
        """Give float64 up where the model does not take it."""
        if self._is_precise:
            return
        if reason := self._contain(self._imprecision):
            self._replay, self.dtype = self._own, self._own_dtype
            own = str(self.dtype).removeprefix("torch.")
            self._say(f"the loss landscape is computed in {own}, because {reason}")
        self._is_precise = True

    def _imprecision(self) -> str:
        """Why float64 cannot be used, or nothing."""
        try:
            self._replay.gradient(None, WHOLE)
            dtype = self._replay.loss(None, WHOLE).dtype
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # any model may refuse float64
            self._own.gradient(None, WHOLE)  # what raises here was no matter of precision
            return f"float64 raised {_brief(error)}"
        return "" if dtype is torch.float64 else f"the loss of float64 weights came as {dtype}"

    def _refusal(self) -> str:
        """Why double backward cannot be used, or nothing."""
        draws = self._replay.draws(2).to(torch.promote_types(self.dtype, torch.float32))
        try:
            first, second = (self._exact(draw, WHOLE) for draw in draws)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a kernel's author made of it
            self.close()
            self._difference(draws[0], WHOLE)  # what raises here was no matter of the second time
            return f"double backward raised {_brief(error)}"
        self.close()
        asymmetry = torch.dot(draws[1], first) - torch.dot(draws[0], second)
        allowed = CONTRADICTION if _can_be_differenced(self.dtype) else COARSE_CONTRADICTION
        if bool(asymmetry.abs() > allowed * torch.linalg.vector_norm(first)):
            return "double backward gave no symmetric matrix"
        return self._contradiction(draws[0], first) if self.dtype is torch.float64 else ""

    def _contradiction(self, vector: Tensor, exact: Tensor) -> str:
        """Whether differences that agree with each other say that a product is wrong."""
        near, far = (self._difference(vector, WHOLE, stretch=s) for s in (1.0, 2.0))
        differences = exact - near, near - far, near
        error, doubt, length = (torch.linalg.vector_norm(v) for v in differences)
        is_wrong = (error > CONTRADICTION * length) & (error > CLEARLY * doubt)
        return "double backward contradicts them" if bool(is_wrong) else ""

    def _exact(self, vector: Tensor, part: Part) -> Tensor:
        """Differentiate the gradient once more; no two parts are kept at a time."""
        graph = self._opened(part)
        if graph is None:
            self.close()
            self._graph = graph = self._replay.open(part)
        return graph.product(vector)

    def _opened(self, part: Part) -> Graph | None:
        """The graph that is kept, if it is that of this part."""
        return self._graph if self._graph is not None and self._graph.part == part else None

    def _difference(self, vector: Tensor, part: Part, stretch: float = 1.0) -> Tensor:
        """Subtract gradients on both sides of the weights."""
        if not _can_be_differenced(self.dtype):
            msg = (
                f"Expected at least float32 for differences of gradients, got {self.dtype}. "
                "Try training with float32 weights, or attention that has a second derivative."
            )
            raise SignalError(msg)
        step = distance(self._replay.length(), self.dtype) * stretch
        return self._replay.difference(vector, step, part)

    def _check(self, part: Part) -> None:
        """Refuse a part without examples."""
        first, stride = part
        if not 0 <= first < min(stride, self.num_examples):
            msg = (
                f"Expected at least {stride} examples to take part {first} of {stride}, "
                f"got {self.num_examples}. Try a larger train batch."
            )
            raise SignalError(msg)

    def _contain(self, compute: Callable[[], T]) -> T:
        """Let go of the graph where something raises, so that its memory is free."""
        try:
            return compute()
        except BaseException:
            self.close()
            raise

    def _say(self, sentence: str) -> None:
        """Add to the guesses."""
        self.guesses = (*self.guesses, sentence)


def _coarsest(module: nn.Module) -> torch.dtype:
    """The least precise dtype among the trainable parameters."""
    dtypes = {p.dtype for p in trainable(module).values() if p.is_floating_point()}
    return max(dtypes, key=lambda dtype: torch.finfo(dtype).eps, default=torch.float32)


def _fits_float64(module: nn.Module) -> bool:
    """Whether a model is small enough, on a device that has float64."""
    size = sum(parameter.numel() for parameter in module.parameters())  # the frozen are copied too
    return size <= MOST_IN_FLOAT64 and device_of(module).type != "mps"


def _can_be_differenced(dtype: torch.dtype) -> bool:
    """Whether gradients in this dtype are precise enough to be subtracted."""
    return torch.finfo(dtype).eps <= torch.finfo(torch.float32).eps


def _brief(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:160]
