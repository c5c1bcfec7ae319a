// The range of time that is shown, and how finely it is asked for.
import { dateTime, rangeUtil } from "@grafana/data";

const POINTS_AT_LEAST = 20;
const SCRAPES_IN_A_RATE = 4;

/** The range between two moments in seconds since 1970. */
export function timeRange(start, end) {
  const from = dateTime(start * 1000);
  const to = dateTime(end * 1000);
  return { from, to, raw: { from, to } };
}

/** Seconds between two points of a query, as Grafana chooses them: one point a pixel, not below a scrape. */
export function stepSeconds(range, width, scrapeSeconds) {
  const points = Math.max(width, POINTS_AT_LEAST);
  const { intervalMs } = rangeUtil.calculateInterval(range, points, `${scrapeSeconds * 1000}ms`);
  return intervalMs / 1000;
}

/** What `$__interval` and its like stand for in a query. */
export function intervalVariables(range, step, scrapeSeconds) {
  const seconds = Math.max(1, Math.round((range.to.valueOf() - range.from.valueOf()) / 1000));
  const rate = Math.max(step + scrapeSeconds, SCRAPES_IN_A_RATE * scrapeSeconds);
  return {
    __interval: `${step * 1000}ms`,
    __interval_ms: `${step * 1000}`,
    __rate_interval: `${rate * 1000}ms`,
    __range: `${seconds}s`,
    __range_s: `${seconds}`,
    __range_ms: `${seconds * 1000}`,
    __from: `${range.from.valueOf()}`,
    __to: `${range.to.valueOf()}`,
  };
}
