"""The first batch: what it teaches about the loss and the probe before it is trained on."""

import logging
from collections.abc import Collection
from itertools import groupby
from operator import attrgetter
from typing import Any

from torch import Tensor
from torch.nn.parameter import UninitializedParameter

from grokwatch.callbacks.settings import Settings
from grokwatch.callbacks.training import Training
from grokwatch.monitor.bystander import device_of, same_random_numbers
from grokwatch.monitor.curvature import MOST_PARAMETERS, MOST_UNASKED, Curvature
from grokwatch.monitor.loss_replay import LossOfBatch
from grokwatch.monitor.optimizer_view import OptimizerView
from grokwatch.monitor.probe_views import NEEDS, ProbeViews
from grokwatch.monitor.records import RunStarted, SkippedSignal
from grokwatch.monitor.roles import Roles
from grokwatch.monitor.snapshot import Need
from grokwatch.monitor.sources import SHARDED, Sources
from grokwatch.monitor.standard_loss import agreeing, standard_values
from grokwatch.monitor.sub_batch import keep, sub_batch
from grokwatch.monitor.train_probe import TrainProbe
from grokwatch.monitor.update_window import UpdateWindow

_log = logging.getLogger(__name__)


class FirstBatch:
    """Copies what is needed of the first train batch, and tries the standard losses on it.

    Args:
        settings: what the user asked for.
        training: what the trainer is about to do.
        batch: the batch, as the trainer made it.

    Attributes:
        guesses: sentences on what was not said.
        skipped: what cannot be measured besides signals.
    """

    def __init__(self, settings: Settings, training: Training, batch: Any) -> None:
        self.guesses: list[str] = []
        self.skipped: list[SkippedSignal] = []
        self._settings = settings
        self._training = training
        self._loss: LossOfBatch | None = settings.probe.loss
        needs = {need for signal in settings.signals for need in signal.needs}
        self._reasons: dict[Need, str] = {}
        self._needs_loss = Need.LANDSCAPE in needs and self._has_landscape()
        self._needs_views = needs & NEEDS
        self._batch = keep(batch) if self._needs_loss else None
        self._probe = TrainProbe(training.module, batch, is_full_batch=training.is_full_batch)
        self._values = {}
        if self._needs_loss and self._loss is None:
            self._values = standard_values(training.module, batch, training.precision)

    def sources(self, roles: Roles, window: UpdateWindow, loss: Tensor | None) -> Sources:
        """Settle what can be read in this run.

        Args:
            roles: found in the module.
            window: of its gradients.
            loss: what the trainer reported on the batch, or None.

        Returns:
            The sources.
        """
        training = self._training
        is_judged = self._is_judged()
        return Sources(
            module=training.readable,
            roles=roles,
            window=window,
            probe=self._probe if is_judged else None,
            views=self._views(roles) if is_judged and self._needs_views else None,
            optimizer=OptimizerView(training.readable, training.optimizers),
            curvature=self._curvature(loss),
            has_losses=loss is not None,
            reasons=self._reasons,
            is_sharded=training.is_sharded,
        )

    def _has_landscape(self) -> bool:
        """Whether vectors over all weights fit beside the training, or are asked for."""
        if self._training.is_sharded:
            return False
        parameters = self._training.module.parameters()
        size = sum(p.numel() for p in parameters if not isinstance(p, UninitializedParameter))
        most = MOST_UNASKED if self._loss is None else MOST_PARAMETERS
        if size > most:
            self._reasons[Need.LANDSCAPE] = f"{size:,} weights: vectors of more than {most:,} weigh"
        return size <= most

    def _views(self, roles: Roles) -> ProbeViews:
        """What else can be seen on the train probe."""
        module, probe = self._training.module, self._settings.probe
        with same_random_numbers(device_of(module)):
            views = ProbeViews(module, self._probe, probe, roles.group, self._needs_views)
        self.guesses += views.guesses
        return views

    def _is_judged(self) -> bool:
        """Whether the train probe can judge this model."""
        reason = self._refusal()
        if not reason:
            return True
        remedy = "Probe(train_accuracy='train_acc') with the name of a logged metric"
        skip = SkippedSignal(name="train_accuracy", reason=reason[:200], remedy=remedy)
        self.skipped.append(skip)
        return False

    def _refusal(self) -> str:
        """Why the train probe cannot judge this model, or nothing."""
        if self._training.is_sharded:
            return SHARDED
        try:
            with same_random_numbers(device_of(self._training.module)):
                if self._probe.read() is not None:
                    return ""
        except Exception as error:  # any model may refuse to run on a batch
            return f"forward on the first train batch raised {type(error).__name__}: {error}"
        return "the batch is not (inputs, class indices), or forward gives no logits"

    def _curvature(self, reported: Tensor | None) -> Curvature | None:
        """The loss once more, where it is known."""
        if self._loss is None and reported is not None and self._values:
            found = agreeing(self._values, float(reported))
            if found is not None:
                self._loss = found
                sentence = f"the train loss is {found.name}, which gave what the trainer reported"
                self.guesses.append(sentence)
        if self._loss is None or not self._needs_loss:
            return None
        module, loss, batch = self._training.module, self._loss, self._batch
        try:
            batch = sub_batch(module, loss, batch)
            curvature = Curvature(module, loss, batch)
            curvature.settle()
        except Exception:  # it will fail again where a signal asks for it, and be counted there
            _log.debug("The loss landscape could not be settled", exc_info=True)
            curvature = Curvature(module, loss, batch)
        self.guesses.extend(curvature.guesses)
        return curvature


def report(started: RunStarted, told: Collection[str] = ()) -> None:
    """Log every guess and every skipped signal, once, where logging is not set up, too.

    What only the other kind of group would allow is no advice for this run, so it is said quietly.

    Args:
        started: as the run started.
        told: guesses that were logged already.
    """
    guesses = [guess for guess in started.guesses if guess not in told]
    if guesses:
        _log.warning("Guessed: %s. Where that is wrong, say it in a Probe.", "; ".join(guesses))
    own = (started.group or "").partition(":")[0]
    others = {"cyclic", "bits", "symmetric"} - {own} if own else set()
    key = attrgetter("reason", "remedy")
    for (reason, remedy), group in groupby(sorted(started.skipped, key=key), key=key):
        names = ", ".join(skip.name for skip in group)
        is_other = any(f"group='{other}:" in remedy for other in others)
        level = logging.INFO if is_other else logging.WARNING
        _log.log(level, "Skipped %s: %s. Try %s.", names, reason, remedy)
