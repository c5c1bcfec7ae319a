"use strict";
// The page of a sweep: what is chosen, and everything that follows from it.
(() => {
  const { data, text, number, onTheme, sweep } = window.grokwatch;
  const { runs, axes, kind, thresholds: usual } = data;
  const find = (id) => document.getElementById(id);
  const steps = data.curves?.grid?.filter((step) => step > 0) ?? [...new Set(runs.last_steps)].sort((a, b) => a - b);
  const state = { x: 0, y: 1, filters: axes.map(() => null), thresholds: { ...usual }, shown: [], judged: [] };
  const all = runs.ids.map((_, run) => run);
  let [cells, pinned, pointed, isAsked] = [new Map(), null, null, false];
  let stop = nearestStep(Math.round(usual.steps / 2));

  function nearestStep(step) {
    return steps.reduce((best, each) => (Math.abs(each - step) < Math.abs(best - step) ? each : best), steps[0] ?? 0);
  }

  // Sliders: how a place of the slider and a value belong together.
  const losses = { min: -4, max: 1, step: 0.05, value: (at) => Number((10 ** at).toPrecision(3)), place: (value) => Math.log10(value) };
  const shares = { min: 0.5, max: 1, step: 0.01, value: (at) => at, place: (value) => value };
  const ofSteps = { min: 0, max: steps.length - 1, step: 1, value: (at) => steps[at], place: (value) => steps.indexOf(value) };
  const scale = kind === "loss" ? losses : shares;

  function slider(id, { min, max, step, value, place }, start, changed) {
    const input = find(id);
    if (!input) return () => {};
    Object.assign(input, { min, max, step });
    const show = (now) => { text(find(`${id}-value`), number(now)); };
    const set = (now) => { input.value = place(now); show(now); };
    input.addEventListener("input", () => {
      const now = value(Number(input.value));
      show(now);
      changed(now);
    });
    set(start);
    return set;
  }

  function options(select, names, chosen) {
    select.replaceChildren(...names.map((name, at) => new Option(name, String(at), false, at === chosen)));
  }

  function chooseAxes() {
    const names = axes.length ? axes.map((axis) => axis.name) : ["all runs"];
    options(find("axis-x"), names, state.x);
    options(find("axis-y"), axes.length > 1 ? names : ["one row"], axes.length > 1 ? state.y : 0);
    for (const [id, own, other] of [["axis-x", "x", "y"], ["axis-y", "y", "x"]]) {
      find(id).disabled = axes.length < 2;
      find(id).addEventListener("change", () => {
        const before = state[own];
        state[own] = Number(find(id).value);
        if (state[own] === state[other]) state[other] = before;
        options(find("axis-x"), names, state.x);
        options(find("axis-y"), names, state.y);
        drawFilters();
        refresh();
      });
    }
  }

  function drawFilters() {
    for (const old of document.querySelectorAll("#choices [data-axis]")) old.remove();
    axes.forEach((axis, index) => {
      if (index === state.x || index === state.y) { state.filters[index] = null; return; }
      const [label, select] = [document.createElement("label"), document.createElement("select")];
      label.dataset.axis = index;
      label.append(axis.name, select);
      options(select, ["all", ...axis.values], (state.filters[index] ?? -1) + 1);
      select.addEventListener("change", () => {
        state.filters[index] = select.value === "0" ? null : Number(select.value) - 1;
        refresh();
      });
      find("choices").append(label);
    });
  }

  // The cell to begin with: where runs differ most.
  function mostMixed() {
    const variety = ([, members]) => new Set(members.map((run) => state.judged[run].phase)).size;
    return [...cells].reduce((best, each) => (best && variety(best) >= variety(each) ? best : each), null)?.[0] ?? null;
  }

  function drawCounts() {
    const [across, up] = [sweep.axis(state.x), sweep.axis(state.y)];
    const line = (kindOfCell, first, rest) => {
      const made = document.createElement("tr");
      [first, ...rest].forEach((cell, at) => {
        const each = document.createElement(at === 0 ? "th" : kindOfCell);
        text(each, cell);
        made.append(each);
      });
      return made;
    };
    const rows = up.values.map((value, row) => line("td", `${up.name} ${value}`.trim(), across.values.map((_, column) => {
      const members = cells.get(`${column} ${row}`);
      return members ? sweep.countsOf(members, state.judged) : "–";
    })));
    find("counts").replaceChildren(line("th", across.name, across.values), ...rows.reverse());
  }

  function describe() {
    const generalized = state.shown.filter((run) => sweep.hasGeneralized(state.judged[run].phase)).length;
    const some = state.shown.length === all.length ? "" : ` of ${number(all.length)}`;
    text(find("state"), `${number(state.shown.length)}${some} runs shown, ${number(generalized)} of them generalised.`);
    const most = Math.max(0, ...[...cells.values()].map((members) => members.length));
    text(find("dots"), most > sweep.mostDots ? `Cells hold up to ${number(most)} runs: there, dots are shares, ${sweep.mostDots} to a cell.` : "");
  }

  function refresh() {
    state.shown = all.filter((run) => state.filters.every((wanted, index) => wanted === null || runs.places[index][run] === wanted));
    cells = sweep.cellsOf(state);
    if (!cells.has(pinned)) pinned = mostMixed();
    if (find("usual")) find("usual").disabled = sweep.isUsual(state.thresholds);
    describe();
    drawCounts();
    sweep.drawLedger(state, stop);
    const done = sweep.draw(state, cells, pinned);
    sweep.drawCell(state, cells, pinned ?? "0 0");
    return done;
  }

  function relabel() {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      state.judged = sweep.judgeAll(state.thresholds);
      refresh();
    });
  }

  function preview(cell) {
    sweep.mark(state, cell);
    sweep.drawCell(state, cells, cell);
  }

  function pin(cell) {
    pinned = cell;
    preview(cell);
  }

  const cellOf = (event) => `${event.points[0].x} ${event.points[0].y}`;
  function listen() {
    sweep.element.on("plotly_hover", (event) => { pointed = cellOf(event); preview(pointed); });
    sweep.element.on("plotly_unhover", () => { pointed = null; preview(pinned); });
    sweep.element.on("plotly_click", (event) => pin(cellOf(event)));
    // Plotly tells of no click where it redraws while the button is down.
    sweep.element.addEventListener("pointerdown", () => { if (pointed) pin(pointed); }, true);
    sweep.element.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way || !pinned) return;
      const moved = pinned.split(" ").map((at, index) => Number(at) + way[index]);
      const most = [sweep.axis(state.x), sweep.axis(state.y)].map((axis) => axis.values.length - 1);
      pin(moved.map((at, index) => Math.min(Math.max(at, 0), most[index])).join(" "));
      event.preventDefault();
      event.stopPropagation();
    });
    let width = sweep.element.clientWidth;
    new ResizeObserver(() => {
      if (sweep.element.clientWidth === width) return;
      width = sweep.element.clientWidth;
      refresh();
    }).observe(sweep.element);
  }

  const setters = ["memorized", "generalized"].map((id) => slider(id, scale, usual[id], (value) => { state.thresholds[id] = value; relabel(); }));
  setters.push(slider("steps", ofSteps, nearestStep(usual.steps), (value) => {
    state.thresholds.steps = value === steps.at(-1) ? usual.steps : value;
    relabel();
  }));
  slider("stop", ofSteps, stop, (value) => { stop = value; sweep.drawLedger(state, stop); });
  find("usual")?.addEventListener("click", () => {
    state.thresholds = { ...usual };
    [usual.memorized, usual.generalized, nearestStep(usual.steps)].forEach((value, at) => setters[at](value));
    relabel();
  });

  state.judged = sweep.judgeAll(state.thresholds);
  chooseAxes();
  drawFilters();
  refresh().then(listen);
  onTheme(refresh);
})();
