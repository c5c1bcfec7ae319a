"use strict";
// The report of one run: its signals, its cursor, and what the words mean.
(() => {
  const { data, cursor, number, text, colors } = window.grokwatch;
  const { state, main, charts, SAID, TINTS, DASH, valueAt, trace, draw, drawCourse } = window.grokwatch.run;
  const at = (id) => document.getElementById(id);

  // Signals: a heading for each family, a small chart for each reading, a line for each role.
  function element(tag, className, words = "") {
    const made = document.createElement(tag);
    made.className = className;
    text(made, words);
    return made;
  }
  function layOut() {
    const place = at("small-charts");
    for (const family of data.families) {
      place.append(element("h3", "family", family.title));
      const grid = element("div", "smalls");
      for (const chart of family.charts) {
        const small = element("div", "small");
        const title = element("h4", "");
        const name = element("span", "", chart.name);
        name.dataset.meaning = `${chart.summary || "The run's start does not say what this is."}${chart.unit ? ` [${chart.unit}]` : ""}`;
        name.dataset.term = "";
        name.tabIndex = 0;
        title.append(name);
        chart.keys = chart.lines.map((line, index) => {
          const key = element("span", "key");
          key.append(`${line.role || (chart.lines.length > 1 ? "all" : "")} `, element("b", ""));
          key.style.setProperty("--tint", `var(--s${index % 8})`);
          title.append(key);
          return key.lastChild;
        });
        chart.place = element("div", "plot");
        small.append(title, chart.place);
        grid.append(small);
      }
      place.append(grid);
    }
  }
  function drawSignal(chart) {
    const tints = colors();
    const traces = chart.lines.map((line, index) => trace(line.course, tints.series[index % 8], {
      name: line.role, dash: DASH[index % 8 % DASH.length],
    }));
    draw(chart.place, traces, { nticks: 4 }, { label: `${chart.name} over steps` });
    chart.isDrawn = true;
  }
  // Small charts are drawn when they are about to be seen, or when there is nothing else to do: there
  // may be a hundred.
  const seeing = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const chart = charts.find(({ place }) => place === target);
      if (isIntersecting && chart && !chart.isDrawn) drawSignal(chart);
    }
  }, { rootMargin: "600px" });

  const whenIdle = window.requestIdleCallback ?? ((call) => setTimeout(call, 50));
  function drawRest() {
    const next = charts.find((chart) => !chart.isDrawn);
    if (!next) { document.body.dataset.drawn = "all"; return; }
    drawSignal(next);
    whenIdle(drawRest);
  }

  function redraw() {
    drawCourse();
    for (const chart of charts) if (chart.isDrawn) drawSignal(chart);
  }

  // The readout: every value at the cursor.
  const cells = [];
  function row(name, said) {
    const line = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    text(head, name);
    const cell = document.createElement("td");
    line.append(head, cell);
    at("readout").tBodies[0].append(line);
    cells.push([cell, said]);
  }
  const NAMES = {
    train_accuracy: "train accuracy", test_accuracy: "test accuracy", train_loss: "train loss", test_loss: "test loss",
    rise: "chance of a rise", passing: "chance of passing 95 %", expected_low: "95 % expected from step",
    expected_high: "95 % expected to step", cost: "cost, share of time",
  };
  const SHORT = { train_accuracy: "train", test_accuracy: "test", train_loss: "train loss", rise: "chance" };
  const shorts = [];
  function prepareReadout() {
    for (const [name, words] of Object.entries(NAMES)) {
      if (main[name]) row(words, (step) => SAID[name](valueAt(main[name], step)));
    }
    row("stage", stageAt);
    for (const chart of charts) for (const line of chart.lines) row(line.key, (step) => number(valueAt(line.course, step)));
    for (const [name, words] of Object.entries(SHORT)) {
      if (!main[name]) continue;
      const key = element("span", "key", `${words} `);
      key.style.setProperty("--tint", `var(--${TINTS[name]})`);
      key.append(element("b", ""));
      at("cursor-values").append(key);
      shorts.push([key.lastChild, (step) => SAID[name](valueAt(main[name], step))]);
    }
    for (const key of document.querySelectorAll("[data-key]")) {
      const name = key.dataset.key;
      key.hidden = !main[name];
      key.style.setProperty("--tint", `var(--${TINTS[name]})`);
      key.append(" ", element("b", ""));
      shorts.push([key.lastChild, (step) => SAID[name](valueAt(main[name], step))]);
    }
  }
  function stageAt(step) {
    const found = data.stages.filter(({ first }) => first <= step);
    return found.length ? found[found.length - 1].word : "–";
  }
  function read(step) {
    text(at("cursor-step"), step.toLocaleString("en"));
    const slider = at("cursor-slider");
    slider.value = String(cursor.index);
    slider.setAttribute("aria-valuetext", `step ${step}`);
    for (const [cell, said] of shorts) text(cell, said(step));
    text(at("stage-now"), stageAt(step));
    for (const chart of charts) chart.keys.forEach((key, index) => text(key, number(valueAt(chart.lines[index].course, step))));
    if (at("readout-box").open) readAll();
  }
  function readAll() {
    for (const [cell, said] of cells) text(cell, said(cursor.step));
  }

  // What a word means, where somebody points at it.
  const bubble = element("div", "term");
  bubble.setAttribute("role", "tooltip");
  bubble.id = "term";
  bubble.hidden = true;
  document.body.append(bubble);
  function explain(event) {
    const word = event.target.closest?.("[data-term]");
    bubble.hidden = !word;
    if (!word) return;
    text(bubble, word.dataset.meaning ?? data.terms[word.dataset.term] ?? "");
    word.setAttribute("aria-describedby", "term");
    const box = word.getBoundingClientRect();
    bubble.style.left = `${Math.max(8, Math.min(box.left, innerWidth - bubble.offsetWidth - 12))}px`;
    const above = box.top - bubble.offsetHeight - 6;
    bubble.style.top = `${above > 4 ? above : box.bottom + 6}px`;
  }
  for (const kind of ["mouseover", "focusin", "click"]) document.addEventListener(kind, explain);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    bubble.hidden = true;
    at("readout-box").open = false;
  });
  addEventListener("scroll", () => { bubble.hidden = true; }, { passive: true });

  cursor.offer([...data.steps.flat(), ...(data.weights?.steps ?? [])]);
  layOut();
  prepareReadout();
  const slider = at("cursor-slider");
  slider.max = String(cursor.stops.length - 1);
  slider.addEventListener("input", () => cursor.set(cursor.stops[Number(slider.value)]));
  at("readout-box").addEventListener("toggle", readAll);
  at("log-steps").addEventListener("click", (event) => {
    state.isLog = !state.isLog;
    event.currentTarget.setAttribute("aria-pressed", String(state.isLog));
    redraw();
  });
  at("whole").addEventListener("click", redraw);
  at("scrub").hidden = !data.steps.length;
  cursor.subscribe(read);
  const told = data.markers.find(({ kind }) => kind === "warning") ?? data.markers.find(({ kind }) => kind === "memorization");
  cursor.set(told ? told.step : cursor.stops[cursor.stops.length - 1]);
  read(cursor.step);
  drawCourse();
  for (const chart of charts) seeing.observe(chart.place);
  whenIdle(drawRest);
  window.grokwatch.onTheme(redraw);
  addEventListener("beforeprint", () => { for (const chart of charts) if (!chart.isDrawn) drawSignal(chart); });
})();
