"use strict";
// What kind of run each was: the rule of the labels, on thinned curves, at thresholds that move.
(() => {
  const { data, unpack } = window.grokwatch;
  const [COMPREHENSION, GROKKING, MEMORIZATION, PARTIAL, CONFUSION, UNTIMED, UNKNOWN] = [0, 1, 2, 3, 4, 5, -1];
  const [COLLECTED, HELD_SHARE] = [3, 0.01];
  // Curves are whole numbers of 16 bits: half a unit, so that .99 stays .99.
  const ROUNDING = 2e-5;
  const [NOT_MEASURED, NOT_A_NUMBER] = [-0.75, -0.25];

  function curvesOf(packed) {
    if (!packed) return () => ({ train: [], test: [] });
    const [at, train, test] = [packed.at, packed.train, packed.test].map((each) => unpack(each).values);
    const stepOf = (place) => (packed.grid ? packed.grid[Math.round(at[place])] : at[place]);
    const series = (values, first, last) => {
      const points = [];
      for (let place = first; place < last; place += 1) {
        if (values[place] < NOT_MEASURED) continue;
        points.push([stepOf(place), values[place] < NOT_A_NUMBER ? NaN : values[place]]);
      }
      return points;
    };
    return (run) => {
      const [first, last] = [packed.starts[run], packed.starts[run + 1]];
      return { train: series(train, first, last), test: series(test, first, last) };
    };
  }

  // Steps from which a level was reached and held: over three points and 1 % of the step.
  function held(points, level) {
    const found = [];
    let [since, count] = [0, 0];
    for (const [step, value] of points) {
      if (!(value >= level - ROUNDING)) { count = 0; continue; }
      if (count === 0) since = step;
      count += 1;
      if (count >= COLLECTED && step - since >= HELD_SHARE * since) found.push(since);
    }
    return found;
  }

  function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  function plateauOf(test, memorized) {
    const after = test.filter(([step, value]) => step >= memorized && Number.isFinite(value));
    const window = after.filter(([step]) => step <= 1.5 * memorized);
    const values = (window.length ? window : after.slice(0, 1)).map(([, value]) => value);
    return values.length ? median(values) : null;
  }

  function hasRisen(test, memorized, numTest, generalized) {
    const plateau = plateauOf(test, memorized);
    if (plateau === null) return false;
    const error = numTest ? Math.sqrt(Math.max(plateau * (1 - plateau), 0) / numTest) : 0;
    const level = plateau + Math.max(0.05, 3 * error);
    return level <= generalized && held(test.filter(([step]) => step >= memorized), level).length > 0;
  }

  // Phase of a run, and where it memorised and generalised.
  function judge(curve, numTest, { memorized, generalized, steps }) {
    const [train, test] = [curve.train, curve.test].map((points) => points.filter(([step]) => step <= steps));
    const fitted = held(train, memorized)[0] ?? null;
    const solved = held(test, generalized)[0] ?? null;
    if (fitted === null) return { phase: CONFUSION, fitted, solved };
    if (solved !== null) return { phase: solved - fitted > fitted ? GROKKING : COMPREHENSION, fitted, solved };
    const phase = hasRisen(test, fitted, numTest, generalized) ? PARTIAL : MEMORIZATION;
    return { phase, fitted, solved };
  }

  function judgeLosses(train, test, { memorized, generalized }) {
    const nowhere = { fitted: null, solved: null };
    if (test === null) return { phase: UNKNOWN, ...nowhere };
    if (test < generalized) return { phase: UNTIMED, ...nowhere };
    return { phase: train !== null && train < memorized ? MEMORIZATION : CONFUSION, ...nowhere };
  }

  const { runs, kind, thresholds: usual } = data;
  const curve = curvesOf(data.curves);
  const isUsual = (now) => Object.keys(usual).every((name) => now[name] === usual[name]);

  // Every run at some thresholds; at the usual ones it is as its label says.
  function judgeAll(thresholds) {
    const labelled = isUsual(thresholds);
    return runs.phases.map((phase, run) => {
      if (kind === "none") return { phase, fitted: null, solved: null };
      const found = kind === "loss"
        ? judgeLosses(runs.train_losses[run], runs.test_losses[run], thresholds)
        : judge(curve(run), runs.nums_test[run], thresholds);
      return labelled ? { phase, fitted: runs.memorized[run], solved: runs.generalized[run] } : found;
    });
  }

  const GENERALIZED = new Set([COMPREHENSION, GROKKING, UNTIMED]);
  window.grokwatch.sweep = { curve, judge, judgeAll, isUsual, hasGeneralized: (phase) => GENERALIZED.has(phase) };
})();
