"use strict";
// The phase diagram: a cell for each pair of values, a dot for each run in it.
(() => {
  const { data, plot, plain, colors, wash, sweep } = window.grokwatch;
  const MOST_DOTS = 49;
  const MOST_GAP = 26;
  const TINTS = ["signal", "test", "warning", "s4", "open", "test"];
  const SYMBOLS = ["diamond", "circle", "square", "triangle-up", "x-thin-open", "circle"];
  const ONE = { name: "", values: ["all runs"] };
  const element = document.getElementById("diagram");

  const axis = (index) => data.axes[index] ?? ONE;
  const place = (index, run) => (data.axes[index] ? data.runs.places[index][run] : 0);
  const tint = (phase) => {
    const tints = colors();
    return TINTS[phase] === "s4" ? tints.series[4] : tints[TINTS[phase]];
  };

  // Runs by cell: key `x y` -> numbers of runs, by phase and seed.
  function cellsOf({ x, y, shown, judged }) {
    const cells = new Map();
    for (const run of shown) {
      const key = `${place(x, run)} ${place(y, run)}`;
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(run);
    }
    for (const members of cells.values()) {
      members.sort((a, b) => judged[a].phase - judged[b].phase || data.runs.seeds[a] - data.runs.seeds[b]);
    }
    return cells;
  }

  // The phases that dots show: one for each run, or shares of them where there are too many.
  function dotsOf(members, judged) {
    if (members.length <= MOST_DOTS) return members.map((run) => judged[run].phase);
    return Array.from({ length: MOST_DOTS }, (_, dot) => {
      const member = Math.floor(((dot + 0.5) * members.length) / MOST_DOTS);
      return judged[members[member]].phase;
    });
  }

  function gridOf(state, cells) {
    const [columns, rows] = [axis(state.x).values, axis(state.y).values];
    return rows.map((_, row) => columns.map((__, column) => {
      const members = cells.get(`${column} ${row}`);
      if (!members) return null;
      return members.filter((run) => sweep.hasGeneralized(state.judged[run].phase)).length / members.length;
    }));
  }

  // Size of a cell in pixels, as far as it is known before the chart is drawn.
  function cellSize(state) {
    const [width, height] = [element.clientWidth - 110, element.clientHeight - 120];
    return [width / axis(state.x).values.length, height / axis(state.y).values.length].map((each) => Math.max(each, 4));
  }

  function tracesOf(state, cells) {
    const [wide, high] = cellSize(state);
    const traces = data.phases.map(([name], phase) => ({
      name, phase, type: "scatter", mode: "markers", x: [], y: [], hoverinfo: "skip",
      marker: { color: tint(phase), symbol: SYMBOLS[phase], size: [], opacity: 1, line: { color: tint(phase), width: 1.6 } },
    }));
    for (const [key, members] of cells) {
      const [column, row] = key.split(" ").map(Number);
      const dots = dotsOf(members, state.judged);
      const across = Math.min(dots.length, Math.ceil(Math.sqrt((dots.length * wide) / high)));
      const down = Math.ceil(dots.length / across);
      const gap = Math.min((0.9 * wide) / across, (0.86 * high) / down, MOST_GAP);
      dots.forEach((phase, dot) => {
        if (phase < 0) return;
        const trace = traces[phase];
        trace.x.push(column + ((((dot % across) - (across - 1) / 2) * gap) / wide));
        trace.y.push(row + (((down - 1) / 2 - Math.floor(dot / across)) * gap) / high);
        trace.marker.size.push(Math.max(2, 0.62 * gap));
      });
    }
    return traces.filter((trace) => trace.x.length);
  }

  function ticks(index) {
    const { name, values } = axis(index);
    const every = Math.ceil(values.length / 24);
    const kept = values.map((_, at) => at).filter((at) => at % every === 0);
    const short = (text) => (text.length > 24 ? `${text.slice(0, 23)}…` : text);
    return {
      title: { text: plain(short(name)), standoff: 8 }, tickvals: kept, showgrid: false, fixedrange: true,
      ticktext: kept.map((at) => plain(short(values[at]))), range: [-0.5, values.length - 0.5], zeroline: false,
    };
  }

  function outline(state, cell) {
    if (!cell) return [];
    const [column, row] = cell.split(" ").map(Number);
    return [{
      type: "rect", x0: column - 0.49, x1: column + 0.49, y0: row - 0.49, y1: row + 0.49,
      line: { color: colors().ink, width: 2 }, layer: "above",
    }];
  }

  function draw(state, cells, cell) {
    const z = gridOf(state, cells);
    const ground = {
      type: "heatmap", z, x: axis(state.x).values.map((_, at) => at), y: axis(state.y).values.map((_, at) => at),
      zmin: 0, zmax: 1, showscale: false, xgap: 3, ygap: 3, hoverinfo: "none", showlegend: false,
      colorscale: [[0, wash("open", 0.07)], [1, wash("test", 0.3)]],
    };
    const traces = tracesOf(state, cells);
    const counts = new Map();
    for (const run of state.shown) {
      const { phase } = state.judged[run];
      counts.set(phase, (counts.get(phase) ?? 0) + 1);
    }
    for (const trace of traces) {
      trace.name = `${trace.name} ${counts.get(trace.phase).toLocaleString("en")}`;
      trace.legendrank = trace.phase;
      delete trace.phase;
    }
    const layout = {
      xaxis: ticks(state.x), yaxis: ticks(state.y), hovermode: "closest", dragmode: false, showlegend: true,
      legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", itemclick: false, itemdoubleclick: false, itemsizing: "constant" },
      margin: { l: 60, r: 10, t: 46, b: 56 }, shapes: outline(state, cell),
    };
    return plot(element, [ground, ...traces], layout, { label: "Phase diagram: the table below it has the same numbers" });
  }

  const mark = (state, cell) => window.Plotly.relayout(element, { shapes: outline(state, cell) });

  Object.assign(sweep, { axis, place, tint, cellsOf, draw, mark, element, mostDots: MOST_DOTS });
})();
