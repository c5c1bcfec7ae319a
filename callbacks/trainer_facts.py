"""What can be read off a Lightning trainer, of either package, without importing one."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from grokwatch.callbacks.metrics import Metrics
from grokwatch.callbacks.training import Training, is_sharded
from grokwatch.monitor.vocabulary import RunStatus

_PACKAGES = ("pytorch_lightning.", "lightning.")


def training_of(trainer: Any, module: Any, metrics: Metrics, step: int | None) -> Training:
    """Gather what a trainer is about to do.

    Args:
        trainer: at the start of training.
        module: its LightningModule.
        metrics: reads logged metrics.
        step: optimizer updates made before, from a checkpoint, or None.

    Returns:
        The facts.
    """
    return Training(
        module=module,
        is_sharded=is_sharded(module),
        optimizers=lambda: trainer.optimizers,
        step=updates_made(trainer) if step is None else step,
        budget_steps=_budget_steps(trainer),
        hyper_parameters=_hyper_parameters(trainer, module),
        is_clipped=_is_clipped(trainer, module),
        is_full_batch=trainer.num_training_batches == 1,
        precision=trainer.strategy.precision_plugin.forward_context,
        train_accuracy=lambda: metrics.train_accuracy.read(trainer.callback_metrics),
        guesses=lambda: metrics.guesses,
    )


def updates_made(trainer: Any) -> int:
    """Optimizer updates so far; of several optimizers that step together, one."""
    return int(trainer.global_step) // max(1, len(trainer.optimizers))


def updates_between(trainer: Any, before: int, after: int) -> int:
    """Optimizer updates between two global steps, at least 0.

    Args:
        trainer: whose global step counts the steps of each optimizer.
        before: global step then.
        after: global step now.

    Returns:
        Updates; at most 1 where there are several optimizers.
    """
    steps = after - before
    return steps if steps < 2 or len(trainer.optimizers) < 2 else 1


def ending(exception: BaseException) -> tuple[RunStatus, str]:
    """How a training ended that raised, and why."""
    is_interrupt = isinstance(exception, KeyboardInterrupt | SystemExit)
    is_interrupt = is_interrupt or type(exception).__name__ == "SIGTERMException"
    status = RunStatus.INTERRUPTED if is_interrupt else RunStatus.FAILED
    return status, f"{type(exception).__name__}: {exception}".removesuffix(": ")[:500]


def loss_of(trainer: Any, module: Any, outputs: Any) -> Tensor | None:
    """The loss of the batch just trained on, as the module returned it, or None.

    Args:
        trainer: which divided it by the number of accumulated batches.
        module: its LightningModule.
        outputs: what the trainer hands to its callbacks.

    Returns:
        A detached scalar.
    """
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        return None
    scale = trainer.accumulate_grad_batches
    if loss.requires_grad:
        loss = loss.detach()
    return loss if scale == 1 or not module.automatic_optimization else loss * scale


def mlflow_logger(trainer: Any) -> tuple[str | None, str | None]:
    """Find the run of an attached MLFlowLogger.

    Args:
        trainer: whose loggers are looked at.

    Returns:
        Its run id, and its server as a sink target; or (None, None).
    """
    for logger in trainer.loggers:
        if type(logger).__name__ == "MLFlowLogger":
            uri = str(logger._tracking_uri)
            return logger.run_id, f"mlflow:{uri}#{logger._experiment_name}"
    return None, None


def _budget_steps(trainer: Any) -> int | None:
    """Optimizer updates at most, where the trainer can tell."""
    estimate = trainer.estimated_stepping_batches
    if not math.isfinite(estimate) or estimate <= 0:
        return None
    return int(estimate) // max(1, len(trainer.optimizers))


def _hyper_parameters(trainer: Any, module: Any) -> dict[str, object]:
    """The module's own, and the first optimizer's."""
    found = dict(getattr(module, "hparams", {}))
    for optimizer in trainer.optimizers[:1]:
        found["optimizer"] = type(optimizer).__name__
        for name, value in optimizer.defaults.items():
            if isinstance(value, bool | int | float | str):
                found[f"optimizer.{name}"] = value
    found["precision"] = str(trainer.precision)
    found["accumulate_grad_batches"] = trainer.accumulate_grad_batches
    return found


def _is_clipped(trainer: Any, module: Any) -> bool:
    """Whether the trainer or the module's own hook clips gradients."""
    if trainer.gradient_clip_val is not None:
        return True
    hook = type(module).configure_gradient_clipping
    return not hook.__module__.startswith(_PACKAGES)
