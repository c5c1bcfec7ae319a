"use strict";
// The report of one run: how its charts are made, and those of its course.
(() => {
  const { data, cursor, plot, plain, number, text, colors, wash } = window.grokwatch;
  const at = (id) => document.getElementById(id);
  const KINDS = { memorization: "train", warning: "warning", onset: "test", grokking: "done", alarm: "alarm", cleared: "line" };
  const DASHES = { warning: "solid", memorization: "dash", onset: "dot", grokking: "dashdot", alarm: "longdash", cleared: "dot" };
  const DASH = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const state = { isLog: true };

  function course(packed) {
    const values = window.grokwatch.unpack(packed.values).values;
    return { x: data.steps[packed.at], y: Array.from(values, (each) => (Number.isFinite(each) ? each : null)) };
  }
  const main = {};
  for (const [name, packed] of Object.entries(data.series)) if (packed) main[name] = course(packed);
  const charts = data.families.flatMap((family) => family.charts);
  for (const chart of charts) for (const line of chart.lines) line.course = course(line.course);

  // The last value at or before a step.
  function valueAt(points, step) {
    if (!points) return null;
    let [low, high] = [0, points.x.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points.x[middle] <= step) low = middle + 1; else high = middle;
    }
    for (let place = low - 1; place >= 0; place -= 1) if (points.y[place] !== null) return points.y[place];
    return null;
  }
  function percent(value) {
    if (value === null) return "–";
    const share = 100 * value;
    if (share > 0 && share < 1) return share < 0.01 ? "<0.01 %" : `${share.toFixed(2)} %`;
    return share > 99 && share < 100 ? `${Math.floor(share * 10) / 10} %` : `${Number(share.toFixed(1))} %`;
  }
  const SAID = {
    train_accuracy: percent, test_accuracy: percent, rise: percent, passing: percent, cost: percent,
    expected_low: number, expected_high: number, train_loss: number, test_loss: number,
  };

  const TINTS = { train_accuracy: "train", test_accuracy: "test", train_loss: "train", test_loss: "test", rise: "warning", passing: "test",
    expected_low: "warning", expected_high: "warning", cost: "s4" };

  function trace(points, tint, more = {}) {
    return {
      type: "scatter", mode: points.x.length > 1 ? "lines" : "markers", x: points.x, y: points.y,
      line: { color: tint, width: 2, dash: more.dash ?? "solid" }, marker: { color: tint, size: 8 },
      connectgaps: false, hovertemplate: `%{y:${more.format ?? ".4~g"}}<extra>${plain(more.name ?? "")}</extra>`,
      name: plain(more.name ?? ""), ...more.trace,
    };
  }
  function axis(more = {}) {
    return {
      type: state.isLog ? "log" : "linear", showgrid: false, ticks: "outside", exponentformat: "none", hoverformat: ",d",
      dtick: state.isLog ? 1 : undefined, nticks: state.isLog ? undefined : 6, minor: state.isLog ? { ticks: "outside", ticklen: 3 } : undefined, ...more,
    };
  }
  function shown(step) {
    return state.isLog ? Math.max(step, 0.5) : step;
  }

  // What happened, as lines across; with words where there is room for them.
  function marks(hasWords) {
    const tints = colors();
    const marked = data.markers.filter(({ step }) => !state.isLog || step > 0);
    const shapes = marked.map(({ step, kind }) => ({
      type: "line", xref: "x", yref: "paper", y0: 0, y1: 1, x0: step, x1: step,
      line: { color: tints[KINDS[kind]], width: 1.5, dash: DASHES[kind] },
    }));
    const [low, high] = edges();
    const width = (value) => (state.isLog ? Math.log10(shown(value)) : value);
    let row = 0;
    let last = -Infinity;
    const annotations = !hasWords ? [] : marked.map(({ step, kind, label }) => {
      const place = (width(step) - width(low)) / (width(high) - width(low) || 1);
      row = place - last < 0.19 ? row + 1 : 0;
      last = place;
      return {
        text: plain(label), xref: "x", yref: "paper", x: width(step), y: 1, yshift: 2 + 14 * (row % 4), yanchor: "bottom",
        xanchor: place > 0.85 ? "right" : place < 0.1 ? "left" : "center", showarrow: false,
        font: { size: 11, color: tints[KINDS[kind] === "train" || KINDS[kind] === "line" ? "faint" : KINDS[kind]] },
      };
    });
    return { shapes, annotations };
  }
  function edges() {
    const steps = cursor.stops;
    const first = steps.find((step) => !state.isLog || step > 0) ?? 1;
    return [first, Math.max(steps[steps.length - 1], first)];
  }
  function range() {
    const [low, high] = edges();
    if (low === high) return state.isLog ? [Math.log10(shown(low)) - 0.5, Math.log10(shown(low)) + 0.5] : [low - 1, low + 1];
    return state.isLog ? [Math.log10(shown(low)) - 0.03, Math.log10(high) + 0.03] : [low - 0.01 * (high - low), high + 0.01 * (high - low)];
  }

  function draw(id, traces, yaxis, options) {
    const found = traces.filter((each) => each.x.length);
    const element = typeof id === "string" ? at(id) : id;
    element.hidden = !found.length;
    if (!found.length) return;
    const { shapes, annotations } = marks(options.hasWords);
    const layout = {
      shapes: [...shapes, ...(options.shapes ?? [])], annotations, uirevision: String(state.isLog), showlegend: false,
      margin: { l: 46, r: 10, t: options.hasWords ? 62 : 12, b: 32 }, yaxis: { nticks: 5, exponentformat: "e", ...yaxis },
      xaxis: axis({ range: range(), autorange: false, ...(options.xaxis ?? {}) }), ...(options.layout ?? {}),
    };
    plot(element, found, layout, { label: options.label, hasCursor: true });
  }
  const PERCENT = { tickformat: ".0%", range: [-0.03, 1.05] };
  const known = (name, tint, more) => (main[name] ? [trace(main[name], tint, more)] : []);

  function drawCourse() {
    const tints = colors();
    draw("chart-accuracy", [
      ...known("train_accuracy", tints.train, { name: "train", format: ".1%" }),
      ...known("test_accuracy", tints.test, { name: "test", format: ".1%" }),
    ], PERCENT, { hasWords: true, label: "Train and test accuracy over steps, with what happened marked" });
    draw("chart-loss", [
      ...known("train_loss", tints.train, { name: "train" }), ...known("test_loss", tints.test, { name: "test" }),
    ], { type: "log" }, { hasWords: true, label: "Train and test loss over steps" });
    drawChance(tints);
    drawExpected(tints);
    drawStages(tints);
    draw("chart-cost", known("cost", tints.series[4], { name: "share", format: ".2%" }),
      { tickformat: ".1%", rangemode: "tozero" }, { label: "Share of the time that measuring took, over steps" });
  }
  function band(low, high, tint) {
    const quiet = { line: { width: 0 }, hoverinfo: "skip", hovertemplate: undefined, mode: "lines" };
    return [
      ...known(low, "rgba(0,0,0,0)", { trace: quiet }),
      ...known(high, "rgba(0,0,0,0)", { trace: { ...quiet, fill: main[low] ? "tonexty" : "none", fillcolor: wash(tint, 0.18) } }),
    ];
  }
  function drawChance(tints) {
    draw("chart-chance", [
      ...band("least", "most", "test"),
      ...known("passing", tints.test, { name: "of passing 95 %", format: ".1%", dash: "dash" }),
      ...known("rise", tints.warning, { name: "of a rise", format: ".1%" }),
    ], PERCENT, { label: "Chance of a rise, and of passing 95 percent, over steps" });
  }
  function drawExpected(tints) {
    const grokked = data.markers.find(({ kind }) => kind === "grokking");
    const shapes = grokked ? [{
      type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: grokked.step, y1: grokked.step,
      line: { color: tints.done, width: 1.5, dash: "dashdot" },
    }] : [];
    draw("chart-expected", [
      ...band("expected_low", "expected_high", "warning"),
      ...known("expected_low", tints.warning, { name: "from", format: ",d", trace: { line: { color: tints.warning, width: 1.2 } } }),
      ...known("expected_high", tints.warning, { name: "to", format: ",d", trace: { line: { color: tints.warning, width: 1.2 } } }),
    ], { type: "log", dtick: 1, exponentformat: "none" }, { shapes, label: "Interval of steps in which 95 percent was expected, as said at each step" });
  }
  function drawStages(tints) {
    const words = [...new Set(data.stages.map(({ word }) => word))];
    const order = ["fitting", "memorised", "structure forming", "clean-up", "generalised"];
    words.sort((a, b) => order.indexOf(a) - order.indexOf(b));
    const tint = { fitting: tints.train, memorised: tints.open, "structure forming": tints.warning, "clean-up": tints.keep, generalised: tints.done };
    const traces = data.stages.map(({ word, first, last }) => trace({ x: [shown(first), shown(last)], y: [word, word] }, tint[word] ?? tints.line, {
      trace: { mode: "lines", line: { width: 14, color: tint[word] ?? tints.line }, hovertemplate: `${plain(word)}<extra></extra>` },
    }));
    draw("chart-stages", traces, {
      type: "category", categoryorder: "array", categoryarray: words, tickmode: "array", tickvals: words, range: [-0.6, words.length - 0.4], ticks: "",
    }, { label: "Stages over steps", layout: { hovermode: "closest" } });
  }

  window.grokwatch.run = { state, main, charts, SAID, TINTS, DASH, valueAt, trace, draw, drawCourse, axis, range, marks, shown };
})();
