"""A trainer that writes observations for ever and pushes them, to be killed.

Takes the folder of journals, the run's id and the sink's target.
"""

import sys
import time
from pathlib import Path

from grokwatch.monitor.dispatch import Dispatcher
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.records import Observation, RunStarted
from grokwatch.monitor.sinks import connect


def main() -> None:
    root, run_id, target = sys.argv[1:]
    dispatcher = Dispatcher(Journal.open(Path(root), run_id), {target: connect(target)})
    dispatcher.submit([RunStarted(run_id=run_id, time=time.time())])
    step = 0
    while True:
        step += 10
        seen = Observation(run_id=run_id, step=step, time=time.time(), train_loss=1.0 / step)
        dispatcher.submit([seen])
        time.sleep(0.002)


if __name__ == "__main__":
    main()
