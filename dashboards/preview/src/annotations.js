// Times that a dashboard marks: those in which a series of a query is above zero.
import { overRange } from "./prometheus.js";
import { intervalVariables, stepSeconds } from "./time.js";
import { replaced } from "./variables.js";

const POINTS = 400;

/** Spans of all queries, `[{from, to, color}, ...]`, in milliseconds. */
export async function annotationsOf(dashboard, { range, scrapeSeconds, variables }) {
  const listed = dashboard.annotations?.list ?? [];
  const asked = listed.filter(({ enable, hide, expr, target }) => enable !== false && !hide && (expr || target?.expr));
  const step = stepSeconds(range, POINTS, scrapeSeconds);
  const known = { ...variables, ...intervalVariables(range, step, scrapeSeconds) };
  const found = await Promise.all(
    asked.map(async (annotation) => {
      const query = replaced(annotation.expr || annotation.target.expr, known, "regex");
      const series = await overRange(query, range, step);
      const spans = series.flatMap(({ values }) => spansOf(values, step));
      return spans.map((span) => ({ ...span, color: annotation.iconColor }));
    }),
  );
  return found.flat();
}

function spansOf(values, step) {
  const spans = [];
  for (const [time, value] of values) {
    const last = spans.at(-1);
    if (!(Number(value) > 0)) {
      continue;
    }
    if (last && time * 1000 - last.to < 1.5 * step * 1000) {
      last.to = time * 1000;
    } else {
      spans.push({ from: time * 1000, to: time * 1000 });
    }
  }
  return spans;
}
