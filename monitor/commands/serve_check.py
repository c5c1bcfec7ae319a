"""Whether a service could run with a configuration: each part tried, and said what came of it."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import msgspec

from grokwatch.monitor import alerts, predictors
from grokwatch.monitor.commands import Report, table
from grokwatch.monitor.config import ServiceSection, resolve
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import GrokwatchError
from grokwatch.monitor.records import RunStarted
from grokwatch.monitor.secrets import optional_secret
from grokwatch.monitor.service.guard.tokens import check_token
from grokwatch.monitor.service.polling import pollers
from grokwatch.monitor.service.service import store_of
from grokwatch.monitor.service.serving import bind
from grokwatch.monitor.service.sources import mlflow
from grokwatch.monitor.sinks.remote import TOKEN

_COLUMNS = ("part", "result", "detail")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part that was tried; `detail` says what came of it, and what to do where it failed."""

    name: str
    holds: bool
    detail: str


def check(section: ServiceSection, *, environment: Mapping[str, str]) -> Report:
    """Try every part of the configuration, without serving.

    Args:
        section: the configuration.
        environment: holds secrets.

    Returns:
        A row per part; `holds` where all do.
    """
    parts = _checked(section, environment)
    cells = [(part.name, "ok" if part.holds else "FAILED", part.detail) for part in parts]
    holds = all(part.holds for part in parts)
    return Report(data=parts, lines=table(_COLUMNS, cells), holds=holds)


def _checked(section: ServiceSection, environment: Mapping[str, str]) -> tuple[Part, ...]:
    """Hooks are made, not fired: `grokwatch alerts test` fires them."""
    return tuple(_tried(name, attempt) for name, attempt in _tries(section, environment))


def _tries(
    section: ServiceSection, environment: Mapping[str, str]
) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "token", lambda: _token(section, optional_secret(TOKEN, environment))
    yield "address", lambda: _address(section)
    yield "store", lambda: _store(section, environment)
    yield "predictor", lambda: _predictor(section)
    for hook in section.hooks:
        yield f"hook {alerts.hook_name(hook)}", partial(_hook, hook)
    for source in section.sources:
        shown = strip_credentials(source)
        yield f"source {shown}", partial(_source, section, source, environment)
    if section.mlflow_public_url:
        yield "mlflow_public_url", lambda: _public_url(section, environment)


def _tried(name: str, attempt: Callable[[], str]) -> Part:
    try:
        return Part(name=name, holds=True, detail=attempt())
    except GrokwatchError as error:
        return Part(name=name, holds=False, detail=str(error))


def _token(section: ServiceSection, token: str | None) -> str:
    check_token(token, section.host)
    return "set" if token else "none: reads only, from this machine only"


def _address(section: ServiceSection) -> str:
    bind(section.host, section.port).close()
    return f"{section.host}:{section.port} is free"


def _store(section: ServiceSection, environment: Mapping[str, str]) -> str:
    address = resolve(f"store:{section.store}", environment).removeprefix("store:")
    store_of(section, environment).close()
    return f"{strip_credentials(address)} opened, its schema up to date"


def _predictor(section: ServiceSection) -> str:
    predictors.load(section.predictor, RunStarted(run_id="check", time=0.0))
    return section.predictor


def _hook(target: str) -> str:
    alerts.connect(target)
    return "made; to fire it: grokwatch alerts test"


def _source(section: ServiceSection, target: str, environment: Mapping[str, str]) -> str:
    source = mlflow.connect(
        resolve(target, environment), names=section.metric_names, environment=environment
    )
    try:
        return source.reach()
    finally:
        source.close()


def _public_url(section: ServiceSection, environment: Mapping[str, str]) -> str:
    for poller in pollers(section, environment):
        poller.close()
    return f"links to runs of MLflow begin with {strip_credentials(section.mlflow_public_url)}"
