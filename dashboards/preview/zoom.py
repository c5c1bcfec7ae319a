"""Finds the part of a rehearsal in which one run was heard of."""

import json
import urllib.parse
import urllib.request

from dashboards.preview.rehearsal import Moment
from dashboards.preview.servers import SCRAPE_SECONDS

_MARGIN = 0.03


def span_of(address: str, run: str, moment: Moment) -> Moment:
    """Find when a run began and ended.

    Args:
        address: of Prometheus.
        run: value of the label `run`.
        moment: where to look.

    Returns:
        That time with a small margin, or `moment` itself where the run was never heard of.
    """
    asked = {
        "query": f"max by (run) (grokwatch_step{{run={json.dumps(run)}}})",
        "start": str(moment.start),
        "end": str(moment.end),
        "step": str(SCRAPE_SECONDS),
    }
    query = f"{address}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(query, timeout=30) as answer:
        series = json.load(answer)["data"]["result"]
    times = [time for one in series for time, _ in one["values"]]
    if not times:
        return moment
    margin = _MARGIN * (times[-1] - times[0])
    return Moment(start=times[0] - margin, end=min(moment.end, times[-1] + margin))
