// The list: stays fresh, and counts the runs that were chosen.

import { onChange } from "./changes.js";
import { keepTime } from "./clock.js";
import { freshen } from "./fragments.js";

const MOST = 8;
const line = document.getElementById("chosen");
const button = document.querySelector("#compare button");

function count() {
  if (!line) return;
  const chosen = document.querySelectorAll("#runs input:checked").length;
  document.getElementById("compare").classList.toggle("chosen", chosen > 0);
  button.disabled = chosen < 1 || chosen > MOST;
  line.textContent = chosen > MOST ? `${chosen} chosen: at most ${MOST} fit.` : chosen ? `${chosen} chosen` : `Choose up to ${MOST}.`;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("#runs input")) count();
});
window.addEventListener("pageshow", count);
onChange(null, async () => {
  const wasEmpty = !document.querySelector(".filter");
  await freshen();
  if (wasEmpty && document.querySelector("#runs table")) location.reload();
  count();
});
keepTime();
count();
