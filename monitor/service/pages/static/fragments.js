// Fragments: takes what is live on a page from a fresh copy of it; focus, ticks and news stay.

export async function freshen() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`the service answered ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other) replace(part, other);
  }
}

function replace(part, other) {
  if (part.innerHTML === other.innerHTML && part.className === other.className) return;
  const focused = part.contains(document.activeElement) ? trail(document.activeElement, part) : null;
  const boxes = [...part.querySelectorAll("input[type=checkbox]")];
  const ticked = new Set(boxes.filter((input) => input.checked).map((input) => input.value));
  const before = texts(part);
  const news = [...part.querySelectorAll("[data-resent]")].map((place) => [place.dataset.resent, place.textContent]);
  part.className = other.className;
  part.replaceChildren(...document.importNode(other, true).childNodes);
  for (const input of part.querySelectorAll("input[type=checkbox]")) {
    if (boxes.length) input.checked = ticked.has(input.value);
  }
  for (const place of part.querySelectorAll("[data-resent]")) {
    place.textContent = new Map(news).get(place.dataset.resent) ?? "";
  }
  for (const [key, row] of rows(part)) {
    if (before.size && before.get(key) !== row.textContent) row.classList.add("fresh");
  }
  if (focused) find(focused, part)?.focus({ preventScroll: true });
}

// Where the focus was: in which row, and which of its controls.
function trail(element, part) {
  const row = element.closest("[data-key]");
  const home = row ?? part;
  return { key: row?.dataset.key, index: [...controls(home)].indexOf(element) };
}

function find({ key, index }, part) {
  const home = key === undefined ? part : new Map(rows(part)).get(key);
  return home ? controls(home)[index] : null;
}

function controls(home) {
  return home.querySelectorAll("a, button, input, select, summary, [tabindex]");
}

function rows(part) {
  return [...part.querySelectorAll("[data-key]")].map((row) => [row.dataset.key, row]);
}

function texts(part) {
  return new Map(rows(part).map(([key, row]) => [key, row.textContent]));
}
