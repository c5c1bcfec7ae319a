// The page: reads its address, and draws the dashboard that it names.
//
// `?dashboard=run&theme=dark&start=...&end=...&scrape=0.5&var-run=...`; start and end are seconds
// since 1970. Once all is drawn, `window.preview` says which panels were empty or failed.
import "uplot/dist/uPlot.min.css";

import { createTheme } from "@grafana/data";
import { GlobalStyles, PortalContainer, ThemeContext } from "@grafana/ui";
import { createRoot } from "react-dom/client";

import { annotationsOf } from "./annotations.js";
import { Dashboard } from "./dashboard.jsx";
import { timeRange } from "./time.js";
import { settled } from "./variables.js";

window.__grafana_public_path__ = "/public/";

const asked = new URLSearchParams(window.location.search);

async function load() {
  const response = await fetch(`/dashboards/${asked.get("dashboard")}.json`);
  const dashboard = await response.json();
  const theme = createTheme({ colors: { mode: asked.get("theme") ?? "dark" } });
  const range = timeRange(Number(asked.get("start")), Number(asked.get("end")));
  const scrapeSeconds = Number(asked.get("scrape") ?? 15);
  const variables = await settled(dashboard.templating, asked, range);
  const settings = { range, scrapeSeconds, variables, theme };
  return { dashboard, settings: { ...settings, annotations: await annotationsOf(dashboard, settings) } };
}

function show({ dashboard, settings }) {
  const waiting = new Set(dashboard.panels.filter(({ type }) => type !== "row").map(({ id }) => id));
  const heard = { empty: [], failed: [] };
  const onDone = (panel, { failure, isEmpty }) => {
    waiting.delete(panel.id);
    if (failure) {
      heard.failed.push(`${panel.title}: ${failure.message}`);
    } else if (isEmpty) {
      heard.empty.push(panel.title);
    }
    if (waiting.size === 0) {
      window.preview = heard;
    }
  };
  const width = document.documentElement.clientWidth;
  createRoot(document.getElementById("page")).render(
    <ThemeContext.Provider value={settings.theme}>
      <GlobalStyles />
      <Dashboard dashboard={dashboard} settings={settings} width={width} onDone={onDone} />
      <PortalContainer />
    </ThemeContext.Provider>,
  );
}

load()
  .then(show)
  .catch((failure) => {
    document.body.textContent = failure.message;
    window.preview = { empty: [], failed: [failure.message] };
  });
