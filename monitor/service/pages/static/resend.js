// Sending an alert again: one button, and what came of it.

export function resendButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-resend]");
    if (button) send(button);
  });
}

async function send(button) {
  const place = button.parentElement.querySelector("[data-resent]");
  button.disabled = true;
  place.textContent = "Sending …";
  try {
    const path = `/v1/alerts/${encodeURIComponent(button.dataset.resend)}/resend`;
    const response = await fetch(path, { method: "POST", headers: { "X-Grokwatch": "1" } });
    place.textContent = response.ok ? "Queued again; see above for what comes of it." : refusal(response.status);
  } catch {
    place.textContent = "The service does not answer. Try again later.";
  }
  button.disabled = false;
  button.focus({ preventScroll: true });
}

const REFUSALS = {
  403: "Refused: a service that was started without a token takes no writes.",
  404: "This alert is gone.",
};

function refusal(status) {
  return REFUSALS[status] ?? `The service refused it (${status}).`;
}
