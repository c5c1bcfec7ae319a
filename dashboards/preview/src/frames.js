// Makes what Prometheus answers into data frames, as Grafana's data source for Prometheus does.
import { createDataFrame, FieldType } from "@grafana/data";

import { intervalVariables, stepSeconds } from "./time.js";
import { atEnd, overRange } from "./prometheus.js";
import { replaced } from "./variables.js";

const IN_BRACES = /\{\{\s*(.+?)\s*\}\}/g;
const NOT_FINITE = { NaN: Number.NaN, "+Inf": Infinity, "-Inf": -Infinity };
const WIDEST_GAP = 1.5;

const number = (text) => NOT_FINITE[text] ?? Number(text);

/** Frames of all queries of a panel; `settings` are `{range, width, scrapeSeconds, variables}`. */
export async function framesOf(panel, settings) {
  const targets = (panel.targets ?? []).filter((target) => !target.hide && target.expr);
  const isAlone = targets.length === 1;
  const answers = await Promise.all(
    targets.map((target) => framesOfTarget(target, panel, { ...settings, isAlone })),
  );
  return answers.flat();
}

async function framesOfTarget(target, panel, settings) {
  const { range, width, scrapeSeconds, variables, isAlone } = settings;
  const points = panel.maxDataPoints ?? width;
  const least = Math.max(scrapeSeconds, secondsOf(target.interval || panel.interval));
  const step = stepSeconds(range, points, least);
  const known = { ...variables, ...intervalVariables(range, step, scrapeSeconds) };
  const query = replaced(target.expr, known, "regex");
  const series = target.instant ? await atEnd(query, range) : await overRange(query, range, step);
  if (target.format === "table") {
    return series.length > 0 ? [tableFrame(series, target, isAlone)] : [];
  }
  const filled = target.instant ? series : series.map((one) => withGaps(one, step));
  const frames = filled.map((one) => seriesFrame(one, target, replaced(target.legendFormat ?? "", known)));
  return target.format === "heatmap" ? withoutAccumulation(frames) : frames;
}

function secondsOf(interval) {
  const [, amount, unit] = /^>?(\d+)(ms|s|m|h)$/.exec(interval ?? "") ?? [];
  return amount ? Number(amount) * { ms: 0.001, s: 1, m: 60, h: 3600 }[unit] : 0;
}

/** Between points that are further apart than a step, nothing is known: say so with a null. */
function withGaps(series, step) {
  const values = [];
  for (const [time, value] of series.values) {
    const last = values.at(-1)?.[0];
    if (last !== undefined && time - last > WIDEST_GAP * step) {
      values.push([last + step, null]);
    }
    values.push([time, value]);
  }
  return { ...series, values };
}

function seriesFrame({ metric, values }, target, legend) {
  const { __name__: name, ...labels } = metric;
  const shown = named(metric, legend, target);
  return createDataFrame({
    refId: target.refId,
    name: shown,
    fields: [
      { name: "Time", type: FieldType.time, values: values.map(([time]) => time * 1000), config: {} },
      {
        name: name ?? "Value",
        type: FieldType.number,
        values: values.map(([, value]) => (value === null ? null : number(value))),
        labels,
        config: { displayNameFromDS: shown },
      },
    ],
  });
}

function named(metric, legend, target) {
  if (legend && legend !== "__auto") {
    return legend.replace(IN_BRACES, (_, label) => metric[label] ?? "");
  }
  const { __name__: name = "", ...labels } = metric;
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length > 0 ? `${name}{${pairs.join(", ")}}` : name || target.expr;
}

function tableFrame(series, target, isAlone) {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const rows = series.flatMap(({ metric, values }) => values.map((value) => ({ metric, value })));
  const columns = labels.map((label) => ({
    name: label,
    type: FieldType.string,
    values: rows.map(({ metric }) => metric[label] ?? ""),
    config: {},
  }));
  const times = rows.map(({ value }) => value[0] * 1000);
  const values = rows.map(({ value }) => number(value[1]));
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: FieldType.time, values: times, config: {} },
      ...columns,
      { name: isAlone ? "Value" : `Value #${target.refId}`, type: FieldType.number, values, config: {} },
    ],
  });
}

/** Buckets of a histogram count all that is below them: leave each with its own. */
function withoutAccumulation(frames) {
  const bound = (frame) => number(frame.fields[1].labels?.le ?? "NaN");
  const sorted = [...frames].sort((one, other) => bound(one) - bound(other));
  return sorted.map((frame, index) => {
    const [time, value] = frame.fields;
    const below = index > 0 ? sorted[index - 1].fields[1].values : [];
    const own = value.values.map((v, at) => (v === null ? null : Math.max(0, v - (below[at] ?? 0))));
    return { ...frame, fields: [time, { ...value, values: own }] };
  });
}
