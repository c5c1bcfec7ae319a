// The clock: keeps "1 min ago" true while nothing else changes.

const SPANS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const EVERY = 30000;

function ago(seconds) {
  for (const [span, unit] of SPANS) {
    if (seconds >= span && seconds >= 5) return `${Math.floor(seconds / span)}\u00a0${unit}\u00a0ago`;
  }
  return "just now";
}

export function keepTime() {
  setInterval(() => {
    for (const time of document.querySelectorAll("time[data-seconds]")) {
      time.textContent = ago(Date.now() / 1000 - Number(time.dataset.seconds));
    }
  }, EVERY);
}
