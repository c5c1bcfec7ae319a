"use strict";
// The runs of one cell: their accuracies over steps, or their least losses.
(() => {
  const { data, plot, colors, text, number, sweep } = window.grokwatch;
  const MOST_LINES = 60;
  const CAPTIONS = {
    accuracy: "Train accuracy in grey, test accuracy in the color of the run's phase. Look for the gap between them: a run that groks climbs long after its grey line is at the top. Dashed lines are the thresholds.",
    loss: "Each point is a run: left of the line it fitted, below the line it generalised. Pale points are the runs of other cells.",
    none: "",
  };

  function countsOf(members, judged) {
    const counts = new Map();
    for (const run of members) counts.set(judged[run].phase, (counts.get(judged[run].phase) ?? 0) + 1);
    return [...counts].sort(([a], [b]) => a - b)
      .map(([phase, count]) => `${count} ${data.phases[phase]?.[0] ?? "unknown"}`).join(", ");
  }

  function nameOf(state, cell) {
    const [column, row] = cell.split(" ").map(Number);
    const named = [[state.x, column], [state.y, row]].filter(([index]) => data.axes[index]);
    const parts = named.map(([index, at]) => `${data.axes[index].name} = ${data.axes[index].values[at]}`);
    return parts.join(", ") || "All runs";
  }

  // Lines one after the other in one trace, with gaps between runs.
  function lines(members, series) {
    const [x, y] = [[], []];
    for (const run of members) {
      for (const [step, value] of sweep.curve(run)[series]) {
        if (step <= 0) continue;
        x.push(step);
        y.push(Number.isFinite(value) ? value : null);
      }
      x.push(null);
      y.push(null);
    }
    return { type: "scatter", mode: "lines", x, y, hoverinfo: "skip", connectgaps: false };
  }

  const rule = (axis, at, color) => ({
    type: "line", line: { color, width: 1, dash: "dash" },
    ...(axis === "x" ? { xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 1 } : { xref: "paper", yref: "y", x0: 0, x1: 1, y0: at, y1: at }),
  });

  function drawCurves(state, members, label) {
    const tints = colors();
    const shown = members.slice(0, MOST_LINES);
    const phases = [...new Set(shown.map((run) => state.judged[run].phase))];
    const traces = [{ ...lines(shown, "train"), line: { color: tints.train, width: 1 } }];
    for (const phase of phases) {
      const same = shown.filter((run) => state.judged[run].phase === phase);
      traces.push({ ...lines(same, "test"), line: { color: sweep.tint(phase), width: 1.6 } });
    }
    const { memorized, generalized, steps } = state.thresholds;
    const shapes = [rule("y", memorized, tints.train), rule("y", generalized, tints.test)];
    if (steps < data.thresholds.steps) shapes.push(rule("x", steps, tints.ink));
    const layout = {
      xaxis: { type: "log", title: { text: "step" }, dtick: 1, exponentformat: "none" },
      yaxis: { range: [0, 1.04], tickformat: ".0%" }, shapes, hovermode: false, dragmode: false,
    };
    plot("course", traces, layout, { label });
    const left = members.length - shown.length;
    return left > 0 ? ` The curves of ${MOST_LINES} runs are drawn, ${left.toLocaleString("en")} are not.` : "";
  }

  function points(members, state, tint, opacity) {
    const [train, test] = [data.runs.train_losses, data.runs.test_losses];
    const known = members.filter((run) => train[run] > 0 && test[run] > 0);
    return {
      type: "scatter", mode: "markers", x: known.map((run) => train[run]), y: known.map((run) => test[run]),
      hoverinfo: "skip", marker: { color: known.map((run) => tint(state.judged[run].phase)), size: 8, opacity },
    };
  }

  // Decades between ticks, so that there are about six.
  function decades(values) {
    const logs = values.map(Math.log10);
    return Math.max(1, Math.ceil((Math.max(...logs) - Math.min(...logs)) / 6));
  }

  function drawLosses(state, members, label) {
    const tints = colors();
    const faint = { ...points(state.shown, state, () => tints.line, 0.25) };
    faint.marker.size = 4;
    const axis = (name, values) => ({ type: "log", exponentformat: "power", title: { text: name }, dtick: decades(values) });
    const layout = {
      xaxis: axis("least train loss", faint.x), yaxis: axis("least test loss", faint.y),
      shapes: [rule("x", state.thresholds.memorized, tints.ink), rule("y", state.thresholds.generalized, tints.ink)],
      hovermode: false, dragmode: false, margin: { l: 60, r: 10, t: 10, b: 48 },
    };
    plot("course", [faint, points(members, state, sweep.tint, 1)], layout, { label });
    return "";
  }

  function draw(state, cells, cell) {
    const members = cells.get(cell) ?? [];
    const name = nameOf(state, cell);
    text(document.getElementById("cell-title"), name);
    const diverse = `${number(members.length)} ${members.length === 1 ? "run" : "runs"}: ${countsOf(members, state.judged)}`;
    text(document.getElementById("cell-counts"), members.length ? diverse : "No run of this cell is shown.");
    const course = document.getElementById("course");
    course.hidden = data.kind === "none" || !members.length;
    let rest = "";
    if (!course.hidden) rest = data.kind === "loss" ? drawLosses(state, members, name) : drawCurves(state, members, name);
    text(document.getElementById("course-caption"), course.hidden ? "" : CAPTIONS[data.kind] + rest);
  }

  Object.assign(sweep, { drawCell: draw, countsOf, nameOf });
})();
