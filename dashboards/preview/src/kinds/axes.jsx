// Axes for the kinds that @grafana/ui does not draw: rows by name on the left, time below.
import { dateTimeFormat } from "@grafana/data";
import { measureText } from "@grafana/ui";

import { TIME_ZONE } from "../options.js";

export const FONT_SIZE = 12;
export const TIME_HEIGHT = 22;

const GAP = 8;
const SPACED = 1.05;
const WIDEST_SHARE = 0.4;
const TICK_WIDTH = 90;
const SECOND = 1000;
const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];

/** Pixels of a name; the page spaces letters a little wider than the measure knows. */
const widthOf = (name) => measureText(name, FONT_SIZE).width * SPACED;

/** Pixels that names need on the left of a plot. */
export function roomFor(names, width) {
  const widest = Math.max(0, ...names.map(widthOf));
  return Math.min(Math.ceil(widest) + GAP, Math.floor(width * WIDEST_SHARE));
}

/** A name beside its row, cut where there is no room for it. */
export function RowName({ name, room, y, theme }) {
  const letters = Math.max(1, Math.floor((room - GAP) / (FONT_SIZE * 0.55)));
  const isCut = widthOf(name) > room - GAP + 1;
  return (
    <text x={room - GAP} y={y} textAnchor="end" dominantBaseline="central" fill={theme.colors.text.primary} fontSize={FONT_SIZE}>
      {isCut ? `${name.slice(0, letters - 1)}…` : name}
    </text>
  );
}

/** Times below a plot, with faint lines through it. */
export function TimeAxis({ range, left, width, height, theme }) {
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const wanted = ((to - from) / SECOND) * (TICK_WIDTH / Math.max(width, TICK_WIDTH));
  const step = (STEPS.find((seconds) => seconds >= wanted) ?? STEPS.at(-1)) * SECOND;
  const times = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
    times.push(time);
  }
  const format = step < 60 * SECOND ? "HH:mm:ss" : "HH:mm";
  const placed = (time) => left + ((time - from) / (to - from)) * width;
  return times.map((time) => (
    <g key={time}>
      <line x1={placed(time)} x2={placed(time)} y1={0} y2={height} stroke={theme.colors.border.weak} />
      <text
        x={placed(time)}
        y={height + TIME_HEIGHT / 2 + 2}
        textAnchor="middle"
        dominantBaseline="central"
        fill={theme.colors.text.primary}
        fontSize={FONT_SIZE}
      >
        {dateTimeFormat(time, { format, timeZone: TIME_ZONE })}
      </text>
    </g>
  ));
}
