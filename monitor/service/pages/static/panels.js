// Panels: charts above each other that share their steps, with a title that is also the legend.

import { color } from "./colors.js";

const TITLE = 34;
const FOOT = 40;
const TOP = 22;

// Names come from outside; Plotly reads tags and entities in text.
export function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export function axisName(letter, index) {
  return index ? `${letter}${index + 1}` : letter;
}

function room(panel) {
  return panel.title ? TITLE : 0;
}

export function heightOf(panels) {
  return TOP + FOOT + panels.reduce((sum, panel) => sum + panel.height + room(panel), 0);
}

export function layoutOf(panels, { isLog, shapes, marks, revision }) {
  const inner = heightOf(panels) - TOP - FOOT;
  const layout = {
    height: heightOf(panels), margin: { l: 52, r: 16, t: TOP, b: FOOT }, showlegend: false,
    paper_bgcolor: color("paper"), plot_bgcolor: color("paper"), hovermode: "x",
    hoversubplots: "axis", uirevision: revision, dragmode: "zoom", shapes,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("faint") },
    hoverlabel: { bgcolor: color("paper"), bordercolor: color("line"), font: { color: color("ink") } },
    annotations: [...marks],
    xaxis: {
      type: isLog ? "log" : "linear", anchor: axisName("y", panels.length - 1), gridcolor: color("rule"),
      showgrid: false, zeroline: false, linecolor: color("line"), ticks: "outside", tickcolor: color("line"),
      separatethousands: true, exponentformat: "none", dtick: isLog ? 1 : undefined,
      title: { text: "step", standoff: 6 }, hoverformat: ",d", showspikes: true, spikemode: "across",
      spikethickness: 1, spikedash: "solid", spikecolor: color("line"), spikesnap: "cursor",
    },
  };
  let top = 1;
  panels.forEach((panel, index) => {
    const bottom = top - (panel.height + room(panel)) / inner;
    const high = top - room(panel) / inner;
    layout[`yaxis${index ? index + 1 : ""}`] = {
      domain: [Math.max(bottom, 0), high], gridcolor: color("rule"), zeroline: false,
      exponentformat: "e", nticks: 5, fixedrange: false, automargin: true, ...panel.axis,
    };
    layout.annotations.push({
      text: panel.title, xref: "paper", yref: "paper", x: 0, y: high, xanchor: "left",
      yanchor: "bottom", showarrow: false, font: { size: 13, color: color("ink") }, yshift: 3, align: "left",
    });
    top = bottom;
  });
  return layout;
}

export function titled(title, ...parts) {
  const words = parts.map(([text, name]) => `<span style="color:${color(name)}">${text}</span>`);
  return [`<b>${title}</b>`, ...words].join("   ");
}
