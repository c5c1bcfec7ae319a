// Alarms: where alerts fired and ended, read off the page, as lines in a chart.

import { color } from "./colors.js";

export function alarms() {
  const found = [];
  for (const alert of document.querySelectorAll("#alerts [data-states]")) {
    for (const [state, step] of JSON.parse(alert.dataset.states)) {
      if (Number.isFinite(step)) found.push({ code: alert.dataset.code, state, step });
    }
  }
  return found.sort((one, other) => one.step - other.step);
}

export function alarmLines(found) {
  return found.map(({ state, step }) => ({
    type: "line", xref: "x", yref: "paper", x0: step, x1: step, y0: 0, y1: 1,
    line: { color: color("warning"), width: 1.5, dash: state === "firing" ? "solid" : "dot" },
  }));
}
