"use strict";
// What stopping early would have saved and lost, by rules from the simplest on.
(() => {
  const { data, text, number, sweep } = window.grokwatch;
  const { runs } = data;
  const table = document.getElementById("ledger");
  const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %` : "–");

  // Step at which a rule stops a run, or nothing.
  const rules = [
    ["never stop", () => null],
    ["stop every run at this step", (run, stop) => stop],
    ["stop there what has no warning (GRK001) yet", (run, stop) => (runs.warned[run] !== null && runs.warned[run] <= stop ? null : stop)],
    ["stop where the predictor says it will not grok (GRK002)", (run) => runs.stopped[run]],
    ["know the future: stop at memorisation what will not generalise", (run, _, found) => (found.solved === null ? found.fitted : null)],
  ];

  function account(judgedRuns, state, stop, rule) {
    const sum = { stopped: 0, saved: 0, lost: 0 };
    for (const run of judgedRuns) {
      const found = state.judged[run];
      const end = Math.min(runs.last_steps[run], state.thresholds.steps);
      const at = rule(run, stop, found);
      if (at === null || at >= end) continue;
      sum.stopped += 1;
      if (found.solved === null) sum.saved += end - at;
      else if (at < found.solved) sum.lost += 1;
    }
    return sum;
  }

  function row(cells, kind, names) {
    const made = document.createElement("tr");
    cells.forEach((cell, at) => {
      const each = document.createElement(kind === "th" || at === 0 ? "th" : "td");
      each.scope = kind === "th" ? "col" : "row";
      if (names) each.dataset.name = names[at];
      text(each, cell);
      made.append(each);
    });
    return made;
  }

  function draw(state, stop) {
    if (!table) return;
    const judgedRuns = state.shown.filter((run) => runs.judged[run]);
    const total = judgedRuns.reduce((sum, run) => sum + Math.min(runs.last_steps[run], state.thresholds.steps), 0);
    const solved = judgedRuns.filter((run) => state.judged[run].solved !== null).length;
    const odd = judgedRuns.filter((run) => state.judged[run].solved !== null && !sweep.hasGeneralized(state.judged[run].phase)).length;
    const late = judgedRuns.filter((run) => state.judged[run].solved > stop).length;
    const names = ["rule", "runs stopped", "steps saved", "of all steps", "generalising runs lost"];
    const head = document.createElement("thead");
    head.append(row(names, "th"));
    const body = document.createElement("tbody");
    for (const [name, rule] of rules) {
      const { stopped, saved, lost } = account(judgedRuns, state, stop, rule);
      const losses = solved ? `${number(lost)} of ${number(solved)}` : "none to lose";
      body.append(row([name, number(stopped), number(saved), percent(saved / total), losses], "td", names));
    }
    table.replaceChildren(head, body);
    text(document.getElementById("savings-caption"),
      `${number(judgedRuns.length)} runs shown above were judged, ${number(total)} steps in all: ${number(solved)} generalise, `
      + `${number(late)} of them after step ${number(stop)}.`
      + (odd ? ` Of these, ${number(odd)} count as confusion above: they never held the train accuracy.` : ""));
  }

  Object.assign(sweep, { drawLedger: draw });
})();
