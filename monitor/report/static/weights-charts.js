"use strict";
// Weights over time: how each view is drawn.
(() => {
  const { data, plot, unpack, number, text, colors } = window.grokwatch;
  const weights = data.weights;
  if (!weights) return;
  const at = (id) => document.getElementById(id);
  const { waves, bits, order, steps, units } = weights;
  const { state, groups, rowsOf, tint, chosen, shownRows, nameOf } = window.grokwatch.weights;
  const MOST_WAVES = 5;
  const tokens = Array.from({ length: order }, (_, token) => token);

  function diverging() {
    const tints = colors();
    return [[0, tints.test], [0.5, tints.paper], [1, tints.warning]];
  }
  function rowAxis(rows) {
    const runs = [];
    rows.forEach((row, place) => {
      const frequency = waves ? waves.frequencies[row] : null;
      const run = runs.at(-1);
      if (run && run.frequency === frequency) run.end = place; else runs.push({ frequency, start: place, end: place });
    });
    const isFew = waves && runs.length <= 10;
    const lines = isFew ? runs.slice(1).map(({ start }) => ({
      type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: start - 0.5, y1: start - 0.5,
      line: { color: colors().line, width: 1 },
    })) : [];
    const axis = {
      autorange: "reversed", showgrid: false, ticks: "", fixedrange: true, mirror: true, showline: true,
      tickvals: isFew ? runs.map(({ start, end }) => (start + end) / 2) : [],
      ticktext: isFew ? runs.map(({ frequency }) => `k=${frequency}`) : [],
    };
    return { axis, lines };
  }
  function cells(id, rows, z, more, xTitle, label) {
    const { axis, lines } = rowAxis(rows);
    const customdata = rows.map((row) => z[0].map(() => nameOf(row)));
    const trace = { type: "heatmap", z, customdata, xgap: 0, ygap: 0, colorbar: { thickness: 8, len: 1, outlinewidth: 0, nticks: 5 }, ...more };
    const xaxis = { showgrid: false, mirror: true, showline: true, title: { text: xTitle, standoff: 4 }, fixedrange: true, ...more.axis };
    delete trace.axis;
    return plot(id, [trace], { xaxis, yaxis: axis, shapes: lines, hovermode: "closest", dragmode: false, margin: { l: 44, r: 8, t: 6, b: 38 } }, { label });
  }
  function drawHeatmap() {
    const rows = shownRows();
    const all = rowsOf(weights.inward[state.look]);
    const what = { cyclic: "token", bits: "bit", plain: "row" }[weights.kind];
    const axis = bits ? { tickvals: bits.relevant, ticktext: bits.relevant.map((bit) => String(bit)) } : {};
    return cells("weights-heatmap", rows, rows.map((row) => all[row]), {
      zmin: -weights.limit, zmax: weights.limit, colorscale: diverging(), axis,
      hovertemplate: `%{customdata}<br>${what} %{x}: %{z:.3f}<extra></extra>`,
    }, bits ? "bit of the input; the marked ones matter" : what, `Heatmap of the weights at step ${steps[state.look]}`);
  }
  function drawOwn() {
    const rows = shownRows();
    const all = rowsOf(waves.own, state.look);
    const tints = colors();
    return cells("weights-own", rows, rows.map((row) => all[row]), {
      x0: 1, dx: 1, zmin: 0, zmax: 1, colorscale: [[0, tints.paper], [1, tints.signal]],
      hovertemplate: "%{customdata}<br>%{z:.0%} of its power at frequency %{x}<extra></extra>",
    }, "frequency", `Power of each frequency in each ${weights.unit} at step ${steps[state.look]}`);
  }

  // A subplot for each of the loudest frequencies: tokens as they are, or in the order of the wave.
  function drawWaves() {
    const shown = chosen().slice(0, MOST_WAVES);
    const all = rowsOf(weights.inward[state.look]);
    const isAlong = at("weights-along").checked;
    const layout = { hovermode: "closest", xaxis: { showgrid: false, fixedrange: true, title: { text: isAlong ? "frequency × token, modulo p" : "token", standoff: 4 } } };
    const traces = shown.flatMap((group, place) => {
      const suffix = place ? String(place + 1) : "";
      const top = 1 - place / shown.length;
      layout[`yaxis${suffix}`] = {
        domain: [top - 0.9 / shown.length, top], range: [-weights.limit, weights.limit], showgrid: false, zeroline: true,
        zerolinecolor: colors().rule, nticks: 3, fixedrange: true, title: { text: `k=${group.frequency}`, standoff: 2, font: { color: tint(group) } },
      };
      const placed = tokens.map((token) => ({ token, x: isAlong ? (group.frequency * token) % order : token })).sort((one, other) => one.x - other.x);
      return group.rows.map((row) => ({
        type: "scatter", mode: "lines", x: placed.map(({ x }) => x), y: placed.map(({ token }) => all[row][token]), yaxis: `y${suffix}`,
        text: placed.map(({ token }) => `token ${token}`), line: { color: tint(group), width: 1.3 }, opacity: 0.75,
        hovertemplate: `${nameOf(row)}<br>%{text}: %{y:.3f}<extra></extra>`,
      }));
    });
    layout.xaxis.anchor = shown.length > 1 ? `y${shown.length}` : "y";
    return plot("weights-waves", traces, layout, { label: `Weights against tokens at step ${steps[state.look]}` });
  }
  // Over steps: on the axis of the course, with the same marks.
  function plotOverSteps(id, traces, yaxis, label) {
    const { axis, range, marks } = window.grokwatch.run;
    const { shapes } = marks(false);
    const xaxis = axis({ range: range(), autorange: false, title: { text: "step", standoff: 4 } });
    return plot(id, traces, { xaxis, yaxis: { rangemode: "tozero", fixedrange: true, ...yaxis }, shapes }, { label, hasCursor: true });
  }
  function overSteps(values, name, color, isLoud) {
    return {
      type: "scatter", mode: steps.length > 1 ? "lines" : "markers", x: steps.map(window.grokwatch.run.shown), y: values, name,
      line: { color, width: isLoud ? 2.4 : 1 }, opacity: isLoud ? 1 : 0.45, hoverinfo: isLoud ? "all" : "skip",
    };
  }
  function drawPower() {
    const shares = rowsOf(waves.shares);
    const quiet = colors().line;
    const loud = new Map(groups.slice(0, 8).map((group) => [group.frequency, group]));
    const traces = shares[0].map((_, place) => {
      const group = loud.get(place + 1);
      const isLoud = group !== undefined && (state.selected === null || state.selected === place + 1);
      const trace = overSteps(shares.map((each) => each[place]), `k=${place + 1}`, group ? tint(group) : quiet, isLoud);
      return { ...trace, frequency: place + 1, hovertemplate: `%{y:.0%}<extra>k=${place + 1}</extra>` };
    });
    traces.sort((one, other) => one.line.width - other.line.width);
    return plotOverSteps("weights-power", traces, { tickformat: ".0%" }, "Share of each frequency over steps");
  }
  function square(limit) {
    const axis = { range: [-limit, limit], showgrid: false, zeroline: true, zerolinecolor: colors().rule, fixedrange: true, nticks: 4 };
    return { hovermode: "closest", dragmode: false, xaxis: { ...axis, constrain: "domain" }, yaxis: { ...axis, scaleanchor: "x", constrain: "domain" } };
  }
  function reachOf(packed) {
    packed.reach ??= 1.08 * unpack(packed).values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
    return packed.reach;
  }
  function drawStars(id, packed) {
    const points = rowsOf(packed, state.look);
    const traces = chosen().map((group) => {
      const [x, y, words] = [[], [], []];
      for (const row of group.rows) {
        const [across, up] = points[row];
        const phase = Math.round((Math.atan2(up, across) * 180) / Math.PI);
        x.push(0, across, null);
        y.push(0, up, null);
        words.push("", `${nameOf(row)}<br>phase ${phase}°, amplitude ${number(Math.hypot(across, up))}`, "");
      }
      return {
        type: "scatter", mode: "lines+markers", x, y, text: words, hovertemplate: "%{text}<extra></extra>",
        line: { color: tint(group), width: 1.4 }, marker: { color: tint(group), symbol: group.symbol, size: x.map((_, place) => (place % 3 === 1 ? 8 : 0)) },
      };
    });
    return plot(id, traces, square(reachOf(packed)), { label: `Phase and amplitude of each ${weights.unit} at step ${steps[state.look]}` });
  }
  function sideOf([x, y]) {
    if (Math.abs(x) > Math.abs(y)) return x > 0 ? "middle right" : "middle left";
    return y > 0 ? "top center" : "bottom center";
  }
  function drawCircle() {
    const circle = waves.circles.find((each) => each.frequency === state.selected) ?? waves.circles[0];
    const points = rowsOf(circle.points, state.look);
    const ring = [...tokens].sort((one, other) => ((circle.frequency * one) % order) - ((circle.frequency * other) % order));
    const closed = [...ring, ring[0]];
    const group = groups.find((each) => each.frequency === circle.frequency);
    const color = group ? tint(group) : colors().signal;
    const isNamed = (place) => place < order && place % Math.ceil(order / 12) === 0;
    const trace = {
      type: "scatter", mode: "lines+markers+text", x: closed.map((token) => points[token][0]), y: closed.map((token) => points[token][1]),
      line: { color: colors().line, width: 0.8 }, marker: { color, size: 7 }, customdata: closed,
      text: closed.map((token, place) => (isNamed(place) ? String(token) : "")), textposition: closed.map((token) => sideOf(points[token])), textfont: { color: colors().ink, size: 11 },
      hovertemplate: "token %{customdata}<extra></extra>", cliponaxis: false,
    };
    const layout = square(Math.min(Math.max(1.3, reachOf(circle.points)), 1.6));
    layout.annotations = [{ text: `frequency ${circle.frequency}`, xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "top", showarrow: false, font: { color, size: 12 } }];
    return plot("weights-circle", [trace], layout, { label: `Tokens in the plane of frequency ${circle.frequency} at step ${steps[state.look]}` });
  }

  // Logit of c: the sum over neurons n of relu(E[n, a] + E[n, b]) U[n, c], for one frequency and for all.
  function logits(a, b, rows) {
    const [inward, outward] = [rowsOf(weights.inward[state.look]), rowsOf(weights.outward[state.look])];
    const found = new Array(order).fill(0);
    for (const row of rows) {
      const state = Math.max(0, inward[row][a] + inward[row][b]);
      if (state > 0) for (const token of tokens) found[token] += state * outward[row][token];
    }
    return found;
  }
  function tokenIn(id) {
    const value = Math.round(Number(at(id).value));
    return Math.min(Math.max(Number.isFinite(value) ? value : 0, 0), order - 1);
  }
  function drawLogits() {
    const tints = colors();
    const [a, b] = [tokenIn("weights-a"), tokenIn("weights-b")];
    const whole = logits(a, b, units.map((_, row) => row));
    const answer = weights.logits.is_addition ? (a + b) % order : null;
    const best = whole.indexOf(Math.max(...whole));
    const traces = [{
      type: "bar", x: tokens, y: whole, name: "all", marker: { color: tokens.map((token) => (token === answer ? tints.done : token === best ? tints.ink : tints.line)) },
      hovertemplate: "answer %{x}: %{y:.2f}<extra>all</extra>",
    }];
    for (const group of chosen().slice(0, MOST_WAVES)) {
      traces.push({
        type: "scatter", mode: "lines", x: tokens, y: logits(a, b, group.rows), line: { color: tint(group), width: 1.6 }, name: `k=${group.frequency}`,
        hovertemplate: `%{y:.2f}<extra>k=${group.frequency}</extra>`,
      });
    }
    const layout = { bargap: 0.15, xaxis: { showgrid: false, fixedrange: true, title: { text: "answer c", standoff: 4 } }, yaxis: { fixedrange: true, zeroline: true, zerolinecolor: tints.line } };
    if (answer !== null) {
      layout.annotations = [{ text: "a + b", x: answer, xref: "x", y: 1, yref: "paper", yanchor: "bottom", showarrow: false, font: { color: tints.done, size: 12 } }];
      layout.margin = { l: 50, r: 14, t: 22, b: 40 };
      layout.shapes = [{ type: "line", x0: answer, x1: answer, xref: "x", y0: 0, y1: 1, yref: "paper", line: { color: tints.done, width: 1, dash: "dot" } }];
    }
    const verdict = answer === null ? "" : best === answer ? ": right" : `; (${a} + ${b}) mod ${order} is ${answer}: wrong`;
    text(at("weights-said"), `The largest logit is that of ${best}${verdict}.`);
    return plot("weights-logits", traces, layout, { label: `Logits of all answers for ${a} and ${b} at step ${steps[state.look]}` });
  }
  function drawParity() {
    const tints = colors();
    const norms = rowsOf(bits.norms);
    const relevant = new Set(bits.relevant);
    const traces = norms[0].map((_, bit) => {
      const isLoud = relevant.has(bit);
      const trace = overSteps(norms.map((each) => each[bit]), `bit ${bit}`, isLoud ? tints.warning : tints.line, isLoud);
      return { ...trace, hovertemplate: `%{y:.3f}<extra>bit ${bit}</extra>` };
    });
    traces.sort((one, other) => one.line.width - other.line.width);
    for (const [key, color] of [["relevant", tints.warning], ["others", tints.line]]) {
      document.querySelector(`#weights [data-bits="${key}"]`).style.setProperty("--tint", color);
    }
    return plotOverSteps("weights-parity", traces, {}, "Weight of each bit over steps");
  }

  window.grokwatch.weights.views = {
    "weights-heatmap": { draw: drawHeatmap, isMoving: true },
    "weights-own": { draw: drawOwn, isMoving: true, lacks: !waves },
    "weights-waves": { draw: drawWaves, isMoving: true, lacks: !waves },
    "weights-power": { draw: drawPower, isMoving: false, lacks: !waves },
    "weights-stars-in": { draw: () => drawStars("weights-stars-in", waves.stars_in), isMoving: true, lacks: !waves },
    "weights-stars-out": { draw: () => drawStars("weights-stars-out", waves.stars_out), isMoving: true, lacks: !waves || !waves.stars_out },
    "weights-circle": { draw: drawCircle, isMoving: true, lacks: !waves || !waves.circles.length },
    "weights-logits": { draw: drawLogits, isMoving: true, lacks: !weights.logits },
    "weights-parity": { draw: drawParity, isMoving: false, lacks: !bits },
  };
})();
