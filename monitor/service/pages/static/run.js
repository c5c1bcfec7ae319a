// One run: its charts, its choice of signals, and all of it kept fresh.

import { answer, keysOf, runPath } from "./answers.js";
import { onChange, tell } from "./changes.js";
import { Chart } from "./chart.js";
import { keepTime } from "./clock.js";
import { onTurn } from "./colors.js";
import { courseOf } from "./course.js";
import { freshen } from "./fragments.js";
import { resendButtons } from "./resend.js";

const MOST = 4;
const ALWAYS = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"];
const place = document.getElementById("chart");
const choices = document.getElementById("signals");
const run = place.dataset.run;
let series = { steps: [], values: {} };
let said = [];

const chart = new Chart(place, (isLog) => courseOf({ series, said, signals: chosen(), isLog, run }));

function chosen() {
  return [...choices.querySelectorAll("input:checked")].map((input) => input.value);
}

async function fetchCourse() {
  const [points, judged] = await Promise.all([
    answer(runPath(run, "series"), [keysOf([...ALWAYS, ...chosen()]), ["limit", "1500"]]),
    answer(runPath(run, "assessments"), [["limit", "800"]]),
  ]);
  series = points;
  said = Array.isArray(judged) ? judged : judged.assessments;
  const note = document.getElementById("drawn");
  note.textContent = points.num_points > points.steps.length
    ? `${points.steps.length.toLocaleString("en")} of ${points.num_points.toLocaleString("en")} points drawn` : "";
}

async function show() {
  try {
    await fetchCourse();
    await chart.draw();
  } catch (error) {
    tell(`The charts could not be drawn: ${error.message}`);
  }
}

function limitChoices() {
  const isFull = chosen().length >= MOST;
  for (const input of choices.querySelectorAll("input[type=checkbox]")) input.disabled = isFull && !input.checked;
}

choices.addEventListener("change", () => {
  limitChoices();
  const address = new URL(location.href);
  address.searchParams.delete("signal");
  for (const key of chosen()) address.searchParams.append("signal", key);
  history.replaceState(null, "", address);
  show();
});
choices.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("find-signal").addEventListener("input", (event) => {
  const text = event.target.value.toLowerCase();
  for (const item of choices.querySelectorAll("li")) item.hidden = !item.textContent.toLowerCase().includes(text);
});
document.addEventListener("keydown", (event) => {
  const picker = document.getElementById("picker");
  if (event.key === "Escape" && picker.open) {
    picker.open = false;
    picker.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  const picker = document.getElementById("picker");
  if (!picker.contains(event.target)) picker.open = false;
});

onTurn(() => chart.draw());
onChange(run, async () => {
  await freshen();
  limitChoices();
  await show();
});
resendButtons();
keepTime();
limitChoices();
show();
