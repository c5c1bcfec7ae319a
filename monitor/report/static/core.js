"use strict";
// What all parts of a report share: the data, the cursor, the colors, and how a chart is drawn.
(() => {
  const root = document.documentElement;
  const DARK = "prefers-color-scheme: dark";
  const SETTINGS = { displaylogo: false, displayModeBar: false, responsive: true, showSendToCloud: false };
  const KINDS = { i1: [Int8Array, -128], i2: [Int16Array, -32768], f4: [Float32Array, null] };

  function bytesOf(text) {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
    return bytes;
  }

  // Numbers as they were packed; NaN where one was not finite.
  function unpack(packed) {
    const [Kind, lost] = KINDS[packed.dtype];
    const whole = new Kind(bytesOf(packed.data).buffer);
    const values = Float32Array.from(whole, (value) => (value === lost ? NaN : value * packed.scale));
    return { shape: packed.shape, values };
  }

  function text(element, string) {
    element.textContent = string;
  }

  // Words for Plotly, which reads tags, entities and templates in text.
  function plain(string) {
    const safe = String(string).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return safe.replaceAll("%{", "% {");
  }

  function number(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size >= 1000 && size < 1e9) return Math.round(value).toLocaleString("en");
    if (size !== 0 && (size < 1e-3 || size >= 1e9)) return value.toExponential(2);
    return String(Number(value.toPrecision(4)));
  }

  function color(name) {
    return getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  }

  const NAMES = ["paper", "ground", "ink", "faint", "rule", "line", "link", "train", "test", "warning", "signal",
    "keep", "stop", "done", "alarm", "open"];
  // Read once a theme: asking the browser in the middle of drawing makes it lay out the page anew.
  let palette = null;
  function colors() {
    if (palette?.isDark === isDark) return palette;
    palette = Object.fromEntries(NAMES.map((name) => [name, color(name)]));
    palette.series = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => color(`s${index}`));
    palette.isDark = isDark;
    return palette;
  }

  function wash(name, share) {
    const value = color(name);
    const parts = [1, 3, 5].map((start) => parseInt(value.slice(start, start + 2), 16));
    return `rgba(${parts.join(",")},${share})`;
  }

  // Light or dark: the system's, until somebody chooses; paper is always light.
  const listeners = [];
  const system = matchMedia(`(${DARK})`);
  let chosen = null;
  let isDark = system.matches;
  const dressed = [];
  for (const sheet of document.styleSheets) {
    for (const rule of sheet.cssRules) {
      if (rule.media && rule.media.mediaText.includes(DARK)) dressed.push(rule);
    }
  }
  function dress(dark) {
    for (const rule of dressed) rule.media.mediaText = dark ? "all" : "not all";
    root.style.colorScheme = dark ? "dark" : "light";
    root.dataset.theme = dark ? "dark" : "light";
    text(document.getElementById("theme"), dark ? "Light" : "Dark");
    document.getElementById("theme").setAttribute("aria-label", dark ? "Show on light" : "Show on dark");
    if (dark === isDark) return;
    isDark = dark;
    for (const listener of listeners) listener();
  }
  function wanted() {
    return chosen ?? system.matches;
  }
  document.getElementById("theme").addEventListener("click", () => { chosen = !isDark; dress(chosen); });
  system.addEventListener("change", () => dress(wanted()));
  addEventListener("beforeprint", () => dress(false));
  addEventListener("afterprint", () => dress(wanted()));
  dress(isDark);

  // The cursor: one step that all charts and readouts speak of.
  const followers = [];
  let stops = [0];
  function nearest(step) {
    let [low, high] = [0, stops.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (stops[middle] < step) low = middle + 1; else high = middle;
    }
    const before = stops[Math.max(low - 1, 0)];
    return step - before < stops[low] - step ? Math.max(low - 1, 0) : low;
  }
  const cursor = {
    step: 0,
    get stops() { return stops; },
    get index() { return nearest(cursor.step); },
    offer(steps) { if (steps.length) stops = [...new Set(steps)].sort((a, b) => a - b); },
    set(step) {
      const next = stops[nearest(step)];
      if (next === cursor.step || next === undefined) return;
      cursor.step = next;
      for (const follower of followers) follower(next);
    },
    move(count) {
      cursor.set(stops[Math.min(Math.max(cursor.index + count, 0), stops.length - 1)]);
    },
    subscribe(follower) { followers.push(follower); },
  };
  document.addEventListener("keydown", (event) => {
    const isElsewhere = event.target.closest("input, select, textarea, summary, [contenteditable]");
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way || isElsewhere || event.altKey || event.ctrlKey || event.metaKey) return;
    cursor.move(event.shiftKey ? 10 * way : way);
    event.preventDefault();
  });

  // Draws one thing after the other, those first that waited longest, and leaves each frame time for the
  // slider: `next` draws one and says whether there was one.
  const FRAME_MILLISECONDS = 20;
  function framed(next) {
    let isAsked = false;
    function frame() {
      isAsked = false;
      const end = performance.now() + FRAME_MILLISECONDS;
      while (next()) if (performance.now() > end) { ask(); return; }
    }
    function ask() {
      if (isAsked) return;
      isAsked = true;
      requestAnimationFrame(frame);
    }
    return ask;
  }

  function themed(layout) {
    const tints = colors();
    const axis = {
      gridcolor: tints.rule, zeroline: false, linecolor: tints.line, tickcolor: tints.line, separatethousands: true,
      automargin: true,
    };
    const base = {
      margin: { l: 50, r: 14, t: 10, b: 36 }, showlegend: false, hovermode: "x", dragmode: "zoom",
      paper_bgcolor: tints.paper, plot_bgcolor: tints.paper, colorway: tints.series,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: tints.faint },
      hoverlabel: { bgcolor: tints.paper, bordercolor: tints.line, font: { color: tints.ink } },
    };
    const made = { ...base, ...layout };
    for (const name of new Set(["xaxis", "yaxis", ...Object.keys(layout)])) {
      if (/^[xy]axis\d*$/.test(name)) made[name] = { ...axis, ...layout[name] };
    }
    return made;
  }

  // Draws, or redraws, into an element. Options: `label` says what it shows; `hasCursor` has its steps
  // along x, shows the cursor as a line, and moves it under the pointer.
  const drawn = new Map();
  const visible = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) { visible.add(target); line(target); } else visible.delete(target);
    }
  });
  function line(element) {
    const options = drawn.get(element);
    if (!options || !options.hasCursor || element.dataset.cursor === String(cursor.step)) return;
    element.dataset.cursor = String(cursor.step);
    window.Plotly.relayout(element, {
      [`shapes[${options.at}].x0`]: cursor.step, [`shapes[${options.at}].x1`]: cursor.step,
    });
  }
  cursor.subscribe(framed(() => {
    const element = [...visible].find((each) => drawn.get(each).hasCursor && each.dataset.cursor !== String(cursor.step));
    if (!element) return false;
    visible.delete(element);
    visible.add(element);
    line(element);
    return true;
  }));
  function plot(elementId, traces, layout, options = {}) {
    const element = typeof elementId === "string" ? document.getElementById(elementId) : elementId;
    const made = themed(layout);
    const isNew = !drawn.has(element);
    const at = (made.shapes ?? []).length;
    drawn.set(element, { ...options, at });
    if (options.label) {
      element.setAttribute("role", "img");
      element.setAttribute("aria-label", options.label);
    }
    if (options.hasCursor) {
      const mark = {
        type: "line", xref: "x", yref: "paper", y0: 0, y1: 1, x0: cursor.step, x1: cursor.step,
        line: { color: colors().ink, width: 1, dash: "dot" },
      };
      made.shapes = [...(made.shapes ?? []), mark];
      element.dataset.cursor = String(cursor.step);
    }
    const done = window.Plotly.react(element, traces, made, { ...SETTINGS, ...options.settings });
    if (isNew) watcher.observe(element);
    if (isNew && options.hasCursor) element.on("plotly_hover", (event) => cursor.set(event.points[0].x));
    return done.then(() => { element.dataset.drawn = String(Number(element.dataset.drawn ?? 0) + 1); });
  }

  window.grokwatch = {
    data: JSON.parse(document.getElementById("report-data").textContent),
    unpack, text, plain, number, colors, wash, cursor, plot, framed,
    onTheme(listener) { listeners.push(listener); },
  };
})();
