// Changes: says that runs changed, at most once in a while, and not while nobody looks.

const REST = 1000;

export function onChange(run, refresh) {
  const query = run ? `?${new URLSearchParams([["run", run]])}` : "";
  const source = new EventSource(`/v1/events${query}`);
  let isBusy = false;
  let isDue = false;
  let wasCut = false;
  let known = document.body.dataset.revision;

  async function work() {
    if (isBusy || document.hidden) {
      isDue = true;
      return;
    }
    isBusy = true;
    isDue = false;
    try {
      await refresh();
      tell("");
    } catch {
      tell("The service does not answer");
    }
    setTimeout(() => {
      isBusy = false;
      if (isDue) work();
    }, REST);
  }

  source.addEventListener("changed", (event) => {
    if (event.data !== known) work();
    known = event.data;
  });
  source.addEventListener("open", () => {
    if (wasCut) work();
    wasCut = false;
  });
  source.addEventListener("error", () => {
    wasCut = true;
    tell("Not live: trying to reach the service");
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isDue) work();
  });
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}

export function tell(text) {
  const news = document.getElementById("news");
  if (news.textContent !== text) news.textContent = text;
}
