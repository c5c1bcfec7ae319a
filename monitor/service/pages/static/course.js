// The course of one run as a chart: what is drawn of its numbers.

import { alarmLines, alarms } from "./alarms.js";
import { numbers } from "./answers.js";
import { color, wash } from "./colors.js";
import { axisName, layoutOf, plain, titled } from "./panels.js";

const PER_CENT = { tickformat: ".0%", range: [-0.03, 1.05] };

function line(steps, values, name, tint, panel, more = {}) {
  const [x, y] = [[], []];
  numbers(values).forEach((value, index) => {
    if (value !== null) { x.push(steps[index]); y.push(value); }
  });
  return {
    type: "scatter", mode: x.length > 1 ? "lines" : "markers", x, y, name: plain(name), yaxis: axisName("y", panel),
    line: { color: tint, width: 2 }, hovertemplate: `%{y:${more.format ?? ".4~g"}}<extra>${plain(name).replaceAll("%{", "% {")}</extra>`,
    ...more.trace,
  };
}

// A signal's name; where there is no room for all of it, its middle goes, for the end says of what it is.
function nameOf(key) {
  const room = Math.floor((document.getElementById("chart").clientWidth - 90) / 8.2);
  const end = Math.floor(room / 2);
  return key.length <= room ? key : `${key.slice(0, room - end - 1)}…${key.slice(-end)}`;
}

// What a signal is, as far as there is room to say it.
function summaryOf(key) {
  const input = [...document.querySelectorAll("#signals input[name=signal]")].find((each) => each.value === key);
  const told = input?.closest("label").title ?? "";
  const room = (document.getElementById("chart").clientWidth - 90) / 6.6 - key.length;
  return told.length <= room ? told : room > 40 ? `${told.slice(0, room - 2)} …` : "";
}

function chanceLines(said, panel) {
  const told = said.filter((each) => each.chances?.length);
  const steps = told.map((each) => each.step);
  const middle = (chances) => chances?.[Math.floor(chances.length / 2)]?.probability ?? null;
  const edge = (pick) => told.map((each) => pick(...each.chances.map((chance) => chance.probability)));
  const hushed = { line: { width: 0 }, hoverinfo: "skip", hovertemplate: undefined };
  return [
    line(steps, edge(Math.min), "least", "rgba(0,0,0,0)", panel, { trace: hushed }),
    line(steps, edge(Math.max), "most", "rgba(0,0,0,0)", panel, {
      trace: { ...hushed, fill: "tonexty", fillcolor: wash("test", 0.18) },
    }),
    line(steps, told.map((each) => middle(each.chances)), "passing 95 %", color("test"), panel, {
      format: ".1%", trace: { line: { color: color("test"), width: 1.5, dash: "dash" } },
    }),
    line(steps, told.map((each) => middle(each.rising?.length ? each.rising : each.chances)),
      "a rise", color("warning"), panel, { format: ".1%" }),
  ];
}

export function courseOf({ series, said, signals, isLog, run }) {
  const { steps, values } = series;
  const isSilent = !said.some((each) => each.chances?.length);
  const panels = [
    { height: 170, axis: PER_CENT, title: titled("Accuracy", ["on training data", "faint"], ["on test data", "keep"]) },
    { height: 130, axis: { type: "log" }, title: titled("Loss", ["on training data", "faint"], ["on test data", "keep"]) },
    {
      height: isSilent ? 4 : 150, axis: PER_CENT,
      title: isSilent ? titled("Chance", ["the predictor could not tell so far", "faint"])
        : titled("Chance", ["of a rise", "stop"], ["of passing 95 %", "keep"]),
    },
    ...signals.map((key) => ({ height: 110, axis: {}, title: titled(plain(nameOf(key)), [plain(summaryOf(key)), "faint"]) })),
  ];
  const data = [
    line(steps, values.train_accuracy, "train", color("train"), 0, { format: ".1%" }),
    line(steps, values.test_accuracy, "test", color("test"), 0, { format: ".1%" }),
    line(steps, values.train_loss, "train", color("train"), 1),
    line(steps, values.test_loss, "test", color("test"), 1),
    ...chanceLines(said, 2),
    ...signals.map((key, index) => line(steps, values[key], "", color("signal"), 3 + index)),
  ].filter((trace) => trace.x.length);
  const marked = alarms().filter(({ step }) => !isLog || step > 0);
  const marks = marked.filter(({ state }) => state === "firing").map(({ code, step }) => ({
    text: plain(code), xref: "x", yref: "paper", x: isLog ? Math.log10(step) : step, y: 1, yshift: 2,
    yanchor: "bottom", showarrow: false, font: { size: 11, color: color("stop") },
  }));
  const layout = layoutOf(panels, { isLog, marks, shapes: alarmLines(marked), revision: `${run} ${isLog}` });
  return { data, layout };
}
