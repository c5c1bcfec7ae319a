// A time series panel: TimeSeries of @grafana/ui, and annotations over it.
import { colorManipulator, FieldType } from "@grafana/data";
import { REGION_FILL_ALPHA, TimeSeries } from "@grafana/ui";
import { useLayoutEffect } from "react";

import { TIME_ZONE } from "../options.js";

const LEGEND = { showLegend: true, displayMode: "list", placement: "bottom", calcs: [] };
const BAR = 5;
const DASHES = [5, 5];

export function TimeSeriesPanel({ panel, frames, range, annotations, theme, width, height }) {
  return (
    <TimeSeries
      frames={frames.map(drawable)}
      structureRev={1}
      width={width}
      height={height}
      timeRange={range}
      timeZone={TIME_ZONE}
      legend={{ ...LEGEND, ...panel.options?.legend }}
      options={panel.options}
    >
      {(config) => <Annotations config={config} spans={annotations} theme={theme} />}
    </TimeSeries>
  );
}

/** What is not finite is not drawn: as in Grafana, the line is interrupted there. */
function drawable(frame) {
  const fields = frame.fields.map((field) =>
    field.type === FieldType.number
      ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) }
      : field,
  );
  return { ...frame, fields };
}

/** A band over the time in which something was on, with dashed edges and a bar below it. */
function Annotations({ config, spans, theme }) {
  useLayoutEffect(() => {
    config.addHook("draw", (plot) => {
      for (const { from, to, color } of spans) {
        drawSpan(plot, from, to, theme.visualization.getColorByName(color));
      }
    });
  }, [config, spans, theme]);
  return null;
}

function drawSpan(plot, from, to, color) {
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio;
  const inside = (time) =>
    Math.min(bbox.left + bbox.width, Math.max(bbox.left, Math.round(plot.valToPos(time, "x", true))));
  const [left, right] = [inside(from), inside(to)];
  const bottom = bbox.top + bbox.height;
  ctx.save();
  ctx.fillStyle = colorManipulator.alpha(color, REGION_FILL_ALPHA);
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.fillStyle = color;
  ctx.fillRect(left, bottom, Math.max(right - left, BAR * ratio), BAR * ratio);
  ctx.strokeStyle = color;
  ctx.lineWidth = 2 * ratio;
  ctx.setLineDash(DASHES.map((length) => length * ratio));
  ctx.beginPath();
  for (const x of [left, right]) {
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bottom);
  }
  ctx.stroke();
  ctx.restore();
}
