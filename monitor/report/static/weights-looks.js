"use strict";
// Weights over time: the looks at them, and the rows of each, in groups of one frequency.
(() => {
  const { data, unpack, colors } = window.grokwatch;
  const weights = data.weights;
  if (!weights) return;
  const { waves, steps, units } = weights;
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "triangle-down"];
  const state = { look: 0, selected: null };

  // Rows of numbers of one look, out of a pack of all looks or of that look alone.
  function rowsOf(packed, look = null) {
    packed.read ??= unpack(packed);
    const { shape, values } = packed.read;
    const [height, width] = shape.slice(-2);
    const start = look === null ? 0 : look * height * width;
    return Array.from({ length: height }, (_, row) =>
      Array.from(values.subarray(start + row * width, start + (row + 1) * width), (each) => (Number.isFinite(each) ? each : null)));
  }

  // Groups of rows with the same frequency at the end, the largest first: its rank is its color.
  const groups = [];
  if (waves) {
    waves.frequencies.forEach((frequency, row) => {
      const known = groups.find((group) => group.frequency === frequency);
      if (known) known.rows.push(row); else groups.push({ frequency, rows: [row] });
    });
    const last = rowsOf(waves.shares)[steps.length - 1];
    groups.sort((one, other) => last[other.frequency - 1] - last[one.frequency - 1]);
    groups.forEach((group, rank) => { group.symbol = SYMBOLS[rank % SYMBOLS.length]; group.rank = rank; });
  }
  function tint(group) {
    return colors().series[group.rank % 8];
  }
  function chosen() {
    return groups.filter((group) => state.selected === null || group.frequency === state.selected);
  }
  function shownRows() {
    if (!waves) return units.map((_, row) => row);
    return chosen().flatMap((group) => group.rows).sort((one, other) => one - other);
  }
  function nameOf(row) {
    const wave = waves ? `, frequency ${waves.frequencies[row]}` : "";
    return `${weights.unit} ${units[row]}${wave}`;
  }

  // The last look at or before the cursor; the first where the cursor is before all.
  function lookAt(step) {
    let place = 0;
    while (place + 1 < steps.length && steps[place + 1] <= step) place += 1;
    return place;
  }

  window.grokwatch.weights = { state, groups, rowsOf, tint, chosen, shownRows, nameOf, lookAt };
})();
