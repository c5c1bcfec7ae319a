"""A hook that notes what it hears and answers as told, and alerts to queue for it."""

from grokwatch.monitor.errors import HookError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import Alert, alert_id
from grokwatch.monitor.service.announcing import Announcer
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import runs
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity
from tests.service_runs import Bench, Clock, batches, start

CODE = AlertCode.LIKELY_GROKKING


class Ear:
    """Notes the name of each message and when it came; answers in turn, then always well."""

    def __init__(
        self, clock: Clock, *answers: HookError | None, repeat_seconds: float | None = None
    ) -> None:
        self.repeat_seconds = repeat_seconds
        self.heard: list[str] = []
        self.times: list[float] = []
        self._clock = clock
        self._answers = list(answers)

    def fire(self, notice: Notice, /) -> None:
        self.heard.append(notice.id)
        self.times.append(self._clock.seconds)
        answer = self._answers.pop(0) if self._answers else None
        if answer is not None:
            raise answer


def announce(
    store: Store, hooks: list[str], state: AlertState = AlertState.FIRING, *, episode: int = 1
) -> str:
    """Queue one state of an alert of run `a`; give the alert's id."""
    [begun] = batches([start("a")])
    Bench(store, holder=f"{state} {episode}", lease_seconds=-1.0).offer(begun)
    alert = Alert(
        run_id="a",
        id=alert_id("a", CODE, episode),
        code=CODE,
        episode=episode,
        severity=Severity.WARNING,
        state=state,
        step=10,
        time=1.0,
        message=f"a is {state.value}",
    )
    with store.writing() as connection:
        now = store.now(connection)
        Announcer(store, hooks).announce(connection, alert, name="a", link=None, now=now)
        is_on = state is AlertState.FIRING
        connection.execute(runs.update().values(firing=CODE.value if is_on else ""))
    return alert.id


def named(alert: str, *states: AlertState) -> list[str]:
    return [f"{alert}-{state.value}" for state in states]
