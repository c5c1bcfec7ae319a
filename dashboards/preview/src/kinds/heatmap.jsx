// A heat map, drawn here: how many points fell into each cell of time and value.
import { FieldType, formattedValueToString, getValueFormat, getFieldDisplayName } from "@grafana/data";
import * as chromatic from "d3-scale-chromatic";

import { roomFor, RowName, TIME_HEIGHT, TimeAxis } from "./axes.jsx";

const SCALE_HEIGHT = 26;
const SCALE_WIDTH = 240;
const CELL_WIDTH = 14;
const LEAST_NAME_HEIGHT = 16;

export function HeatmapPanel({ panel, frames, range, theme, width, height }) {
  const columns = Math.max(1, Math.floor(width / CELL_WIDTH));
  const { names, cells } = panel.options.calculate
    ? counted(panel.options, frames, range, columns)
    : given(frames, range);
  const left = roomFor(names, width);
  const inner = width - left;
  const bottom = height - TIME_HEIGHT - SCALE_HEIGHT;
  const share = bottom / names.length;
  const most = Math.max(...cells.map(({ value }) => value), 1);
  const colored = colorOf(panel.options.color ?? {}, theme);
  const every = Math.ceil(LEAST_NAME_HEIGHT / share);
  return (
    <svg width={width} height={height}>
      <TimeAxis range={range} left={left} width={inner} height={bottom} theme={theme} />
      {names.map((name, row) =>
        row % every === 0 ? (
          <RowName key={name} name={name} room={left} y={bottom - (row + 0.5) * share} theme={theme} />
        ) : null,
      )}
      {cells.map(({ row, from, to, value }) => (
        <rect
          key={`${row} ${from}`}
          x={left + from * inner}
          width={Math.max(1, (to - from) * inner - 1)}
          y={bottom - (row + 1) * share}
          height={Math.max(1, share - 1)}
          fill={colored(value / most)}
        />
      ))}
      <Scale left={left} top={height - SCALE_HEIGHT + 4} most={most} colored={colored} theme={theme} />
    </svg>
  );
}

/** Points of all series, counted by bucket of value and column of time. */
function counted({ calculation, yAxis = {} }, frames, range, columns) {
  const size = Number(calculation?.yBuckets?.value) || 0.1;
  const points = frames.flatMap(pointsOf);
  const low = yAxis.min ?? Math.min(...points.map(({ value }) => value));
  const high = yAxis.max ?? Math.max(...points.map(({ value }) => value));
  const rows = Math.max(1, Math.round((high - low) / size));
  const [from, length] = [range.from.valueOf(), range.to.valueOf() - range.from.valueOf()];
  const counts = new Map();
  for (const { time, value } of points) {
    const row = Math.min(rows - 1, Math.max(0, Math.floor((value - low) / size)));
    const column = Math.min(columns - 1, Math.floor(((time - from) / length) * columns));
    const key = row * columns + column;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const cells = [...counts].map(([key, value]) => {
    const column = key % columns;
    return { row: Math.floor(key / columns), from: column / columns, to: (column + 1) / columns, value };
  });
  const format = getValueFormat(yAxis.unit ?? "short");
  const names = Array.from({ length: rows }, (_, row) => formattedValueToString(format(low + row * size)));
  return { names, cells };
}

function pointsOf(frame) {
  const time = frame.fields.find((field) => field.type === FieldType.time);
  const others = frame.fields.filter((field) => field.type === FieldType.number);
  return others.flatMap((field) =>
    field.values.flatMap((value, index) =>
      Number.isFinite(value) ? [{ time: time.values[index], value }] : [],
    ),
  );
}

/** Each series is a bucket already: its values are the counts. */
function given(frames, range) {
  const [start, length] = [range.from.valueOf(), range.to.valueOf() - range.from.valueOf()];
  const names = frames.map((frame) => getFieldDisplayName(frame.fields[1], frame, frames));
  const cells = frames.flatMap((frame, row) => {
    const points = pointsOf(frame).filter(({ value }) => value > 0);
    const step = frame.fields[0].values[1] - frame.fields[0].values[0] || 0;
    return points.map(({ time, value }) => {
      const from = Math.max(0, (time - step - start) / length);
      return { row, from, to: (time - start) / length, value };
    });
  });
  return { names, cells };
}

function colorOf({ scheme = "Oranges", reverse = false }, theme) {
  const interpolate = chromatic[`interpolate${scheme}`] ?? chromatic.interpolateOranges;
  const isTurned = reverse !== theme.isDark;
  return (share) => interpolate(isTurned ? 1 - share : share);
}

function Scale({ left, top, most, colored, theme }) {
  const steps = 32;
  const label = { fill: theme.colors.text.primary, fontSize: 12, dominantBaseline: "central" };
  return (
    <g transform={`translate(${left} ${top})`}>
      {Array.from({ length: steps }, (_, step) => (
        <rect
          key={step}
          x={(step * SCALE_WIDTH) / steps}
          width={SCALE_WIDTH / steps + 0.5}
          height={10}
          fill={colored((step + 0.5) / steps)}
        />
      ))}
      <text x={SCALE_WIDTH + 8} y={5} {...label}>{`1 to ${most} points in a cell`}</text>
    </g>
  );
}
