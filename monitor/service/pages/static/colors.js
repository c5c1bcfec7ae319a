// Colors: the style sheet's, for charts, and a call when light turns to dark.

export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function wash(name, share) {
  const value = color(name);
  const parts = [1, 3, 5].map((start) => parseInt(value.slice(start, start + 2), 16));
  return `rgba(${parts.join(",")},${share})`;
}

export function onTurn(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}
