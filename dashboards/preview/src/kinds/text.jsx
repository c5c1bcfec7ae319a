// A text panel: markdown by @grafana/data, which takes what could run out of it.
import { renderTextPanelMarkdown } from "@grafana/data";

import { replaced } from "../variables.js";

export function TextPanel({ panel, variables, width, height }) {
  const html = renderTextPanelMarkdown(replaced(panel.options.content ?? "", variables));
  return (
    <div
      className="markdown-html"
      style={{ width, height, overflow: "auto" }}
      dangerouslySetInnerHTML={{ __html: html }}
    />
  );
}
