// Runs side by side: one quantity, a line for each run.

import { answer, keysOf, numbers, runPath } from "./answers.js";
import { onChange, tell } from "./changes.js";
import { Chart } from "./chart.js";
import { color, onTurn } from "./colors.js";
import { freshen } from "./fragments.js";
import { layoutOf, plain } from "./panels.js";

const DASHES = ["solid", "dash", "dot", "dashdot"];
const SHARES = ["accuracy", "probability"];
const place = document.getElementById("chart");
const runs = [...document.querySelectorAll("[data-run][data-name]")];
let courses = [];

function figure(isLog) {
  const { key } = place.dataset;
  const isShare = SHARES.some((word) => key.endsWith(word));
  const axis = isShare ? { tickformat: ".0%", range: [-0.03, 1.05] } : { type: key.endsWith("loss") ? "log" : "linear" };
  const data = courses.map(({ steps, values }, index) => ({
    type: "scatter", mode: steps.length > 1 ? "lines" : "markers", x: steps, y: numbers(values[key]), connectgaps: true,
    name: plain(runs[index].dataset.name), line: { color: color(`s${index}`), width: 2, dash: DASHES[index % 4] },
    hovertemplate: `%{y:${isShare ? ".1%" : ".4~g"}}<extra>${plain(runs[index].dataset.name.slice(0, 40)).replaceAll("%{", "% {")}</extra>`,
  }));
  const panels = [{ height: 380, axis, title: "" }];
  return { data, layout: layoutOf(panels, { isLog, marks: [], shapes: [], revision: `${key} ${isLog}` }) };
}

async function show() {
  const parameters = [keysOf([place.dataset.key]), ["limit", "1000"]];
  try {
    courses = await Promise.all(runs.map((row) => answer(runPath(row.dataset.run, "series"), parameters)));
    await chart.draw();
    const isEmpty = courses.every(({ values }) => !numbers(values[place.dataset.key]).some((value) => value !== null));
    document.getElementById("drawn").textContent = isEmpty ? "No chosen run has a value of this." : "";
  } catch (error) {
    tell(`The chart could not be drawn: ${error.message}`);
  }
}

const chart = place && new Chart(place, figure);
if (place) {
  const form = document.getElementById("quantity");
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.submit());
  onTurn(() => chart.draw());
  onChange(null, async () => {
    await freshen();
    await show();
  });
  show();
}
