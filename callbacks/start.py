"""Starting to watch a Lightning training: whose run it is, and whether it can be watched."""

import uuid
from collections import Counter
from typing import Any

from grokwatch.callbacks.metrics import Metrics
from grokwatch.callbacks.opening import open_dispatcher
from grokwatch.callbacks.session import Session, SessionMemory
from grokwatch.callbacks.settings import Settings
from grokwatch.callbacks.trainer_facts import mlflow_logger, training_of


def start_session(
    settings: Settings,
    trainer: Any,
    module: Any,
    metrics: Metrics,
    memory: SessionMemory | None,
    failures: Counter[str],
) -> Session | None:
    """Open the run of a training that is about to start.

    The run is the checkpoint's if there is one, else the one asked for, else that of an attached
    MLFlowLogger, else new.

    Args:
        settings: what the user asked for.
        trainer: at the start of training.
        module: its LightningModule.
        metrics: reads logged metrics.
        memory: from a checkpoint, or None.
        failures: counts of what was contained, by place.

    Returns:
        The session; None on other ranks than 0.
    """
    if not trainer.is_global_zero:
        return None
    logged_id, tracking = mlflow_logger(trainer)
    run_id = memory.run_id if memory else settings.run_id or logged_id or uuid.uuid4().hex
    training = training_of(trainer, module, metrics, memory.step if memory else None)
    dispatcher, directory = open_dispatcher(settings, run_id, tracking)
    return Session(settings, training, dispatcher, directory, memory, failures)
