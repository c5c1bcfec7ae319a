"use strict";
// Weights over time: every view shows the look at the cursor's step, or the last one before it.
(() => {
  const { data, cursor, framed, text } = window.grokwatch;
  const weights = data.weights;
  if (!weights) return;
  const at = (id) => document.getElementById(id);
  const { state, groups, tint, lookAt, views } = window.grokwatch.weights;

  // A view is drawn only where it can be seen, and again when the look, the filter or the theme changes.
  const [stale, visible] = [new Set(), new Set()];
  const ask = framed(() => {
    const next = lookAt(cursor.step);
    if (next !== state.look) {
      state.look = next;
      for (const id of Object.keys(views)) if (views[id].isMoving) stale.add(id);
    }
    const id = [...stale].find((each) => visible.has(each));
    if (id === undefined) return false;
    stale.delete(id);
    show(id);
    return true;
  });
  function show(id) {
    const element = at(id);
    const step = weights.steps[state.look];
    views[id].draw().then(() => {
      element.dataset.look = String(step);
      if (id === "weights-power") hear(element);
    });
    if (views[id].isMoving) text(element.closest(".panel").querySelector("[data-look]"), `at step ${step.toLocaleString("en")}`);
  }
  function redraw() {
    for (const id of Object.keys(views)) stale.add(id);
    ask();
  }
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) visible.add(target.id); else visible.delete(target.id);
    ask();
  }, { rootMargin: "200px" });
  for (const [id, view] of Object.entries(views)) {
    const element = at(id);
    if (!element) continue;
    if (view.lacks) element.closest(".panel").hidden = true; else watcher.observe(element);
  }

  // The filter: chips above, and clicks on lines of the power view.
  function choose(frequency) {
    state.selected = frequency === state.selected ? null : frequency;
    dressChips();
    redraw();
  }
  const chips = at("weights-filter");
  function dressChips() {
    for (const chip of chips ? chips.children : []) {
      const frequency = chip.dataset.frequency ? Number(chip.dataset.frequency) : null;
      chip.setAttribute("aria-pressed", String(frequency === state.selected));
      const group = groups.find((each) => each.frequency === frequency);
      if (group) chip.style.setProperty("--tint", tint(group));
    }
  }
  function chip(frequency, words) {
    const button = document.createElement("button");
    button.type = "button";
    if (frequency !== null) button.dataset.frequency = String(frequency);
    text(button, words);
    button.addEventListener("click", () => choose(frequency));
    chips.append(button);
  }
  if (chips) {
    chip(null, "All frequencies");
    for (const group of groups.slice(0, 12)) chip(group.frequency, `k=${group.frequency} (${group.rows.length})`);
    dressChips();
    at("weights-along").addEventListener("change", redraw);
  }
  if (weights.logits) for (const id of ["weights-a", "weights-b"]) at(id).addEventListener("input", redraw);
  let isHeard = false;
  function hear(power) {
    if (isHeard) return;
    isHeard = true;
    power.on("plotly_click", (event) => {
      const near = event.points.filter(({ data: trace }) => groups.some((group) => group.frequency === trace.frequency));
      if (near.length) choose(near.reduce((one, other) => (gap(other, event) < gap(one, event) ? other : one)).data.frequency);
    });
  }
  function gap(point, event) {
    const axis = point.yaxis;
    const top = at("weights-power").getBoundingClientRect().top;
    return Math.abs(axis.l2p(point.y) + axis._offset + top - event.event.clientY);
  }
  cursor.subscribe(ask);
  for (const id of ["log-steps", "whole"]) at(id).addEventListener("click", redraw);
  window.grokwatch.onTheme(() => { dressChips(); redraw(); });
  addEventListener("beforeprint", () => { for (const [id, view] of Object.entries(views)) if (at(id) && !view.lacks) show(id); });
  redraw();
})();
