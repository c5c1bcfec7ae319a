"""The variables of the dashboards, and the links that use them."""

from collections.abc import Callable, Mapping

from grafana_foundation_sdk.models import common, dashboard

SERVICE_URL = "http://localhost:8000"
MLFLOW_URL = "http://localhost:5000"
MLFLOW_EXPERIMENT = "1"

_SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
_ALL = dashboard.VariableOption(selected=True, text="All", value="$__all")


def variable(name: str) -> dashboard.VariableModel:
    """Build a variable by its name in a `Board`.

    Args:
        name: a key of the table below.

    Returns:
        The variable; `tasks` is called `task` in Grafana, and may stand for all of them.
    """
    return _VARIABLES[name]()


def links(names: tuple[str, ...]) -> list[dashboard.DashboardLink]:
    """Links over a dashboard.

    Args:
        names: of its variables.

    Returns:
        The other dashboards first; then the service and MLflow, at the run where there is one.
    """
    found = [_siblings()]
    if "run" in names:
        # The label `run` is the run's name, where it has one; pages are addressed by its id.
        found.append(_link("grokwatch: this run", "${service_url}/?text=${run:percentencode}"))
        found.append(_link("MLflow: this run", _MLFLOW_RUN))
    else:
        found.append(_link("grokwatch: all runs", "${service_url}/"))
    return found


_MLFLOW_RUN = (
    "${mlflow_url}/#/experiments/${mlflow_experiment}/runs?workflowType=machine_learning"
    "&searchFilter=attributes.run_name%20%3D%20%22${run:percentencode}%22"
)


def _siblings() -> dashboard.DashboardLink:
    return dashboard.DashboardLink(
        title="Dashboards",
        type_val=dashboard.DashboardLinkType.DASHBOARDS,
        tags=["grokwatch"],
        as_dropdown=True,
        keep_time=True,
        icon="external link",
    )


def _link(title: str, url: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(
        title=title,
        type_val=dashboard.DashboardLinkType.LINK,
        url=url,
        tags=[],
        target_blank=True,
        icon="external link",
    )


def _datasource() -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.DATASOURCE,
        name="datasource",
        label="Prometheus",
        description="The Prometheus that scrapes the runs and the service.",
        query="prometheus",
        current=dashboard.VariableOption(
            selected=True, text="Prometheus", value="grokwatch-prometheus"
        ),
        refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
    )


def _tasks() -> dashboard.VariableModel:
    found = _task()
    found.multi = True
    found.include_all = True
    found.all_value = ".*"
    found.current = _ALL
    return found


def _task() -> dashboard.VariableModel:
    return _labels("task", "Task", "What the runs learn.", "label_values(grokwatch_step, task)")


def _run() -> dashboard.VariableModel:
    query = 'label_values(grokwatch_step{task=~"$task"}, run)'
    return _labels("run", "Run", "The run's name, or its id where it has none.", query)


def _labels(name: str, label: str, description: str, query: str) -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=name,
        label=label,
        description=description,
        datasource=_SOURCE,
        definition=query,
        query={"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor"},
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.NATURAL_ASC,
    )


def _service_url() -> dashboard.VariableModel:
    told = "Where this browser reaches grokwatch's pages."
    return _address("service_url", "grokwatch", told, SERVICE_URL)


def _mlflow_url() -> dashboard.VariableModel:
    return _address("mlflow_url", "MLflow", "Where this browser reaches MLflow.", MLFLOW_URL)


def _mlflow_experiment() -> dashboard.VariableModel:
    told = "Id of the MLflow experiment that holds the runs; MLflow shows it in its address."
    return _address("mlflow_experiment", "MLflow experiment", told, MLFLOW_EXPERIMENT)


def _address(name: str, label: str, description: str, value: str) -> dashboard.VariableModel:
    """A text to type. It is never read from an address, so nobody can send a link that sets it."""
    option = dashboard.VariableOption(selected=True, text=value, value=value)
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.TEXTBOX,
        name=name,
        label=label,
        description=description,
        query=value,
        current=option,
        options=[option],
        skip_url_sync=True,
    )


_VARIABLES: Mapping[str, Callable[[], dashboard.VariableModel]] = {
    "datasource": _datasource,
    "tasks": _tasks,
    "task": _task,
    "run": _run,
    "service_url": _service_url,
    "mlflow_url": _mlflow_url,
    "mlflow_experiment": _mlflow_experiment,
}
