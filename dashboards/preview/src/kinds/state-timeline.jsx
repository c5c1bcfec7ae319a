// A state timeline, drawn here: a row for each series, a box for each state that it was in.
//
// As in Grafana, numbers that are colored by thresholds are one state between two of them.
import {
  FieldColorModeId,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  getValueFormat,
} from "@grafana/data";
import { VizLayout, VizLegend } from "@grafana/ui";

import { roomFor, RowName, TIME_HEIGHT, TimeAxis } from "./axes.jsx";

const WIDEST_GAP = 1.5;

export function StateTimelinePanel({ panel, frames, range, theme, width, height }) {
  const rows = frames.flatMap((frame) => rowsOf(frame, frames, range));
  const { rowHeight = 0.9 } = panel.options;
  const opacity = (panel.fieldConfig?.defaults?.custom?.fillOpacity ?? 70) / 100;
  return (
    <VizLayout width={width} height={height} legend={legendOf(rows, panel, theme)}>
      {(plotWidth, plotHeight) => {
        const left = roomFor(rows.map(({ name }) => name), plotWidth);
        const bottom = plotHeight - TIME_HEIGHT;
        const share = bottom / rows.length;
        return (
          <svg width={plotWidth} height={plotHeight}>
            <TimeAxis range={range} left={left} width={plotWidth - left} height={bottom} theme={theme} />
            {rows.map((row, index) => (
              <g key={row.name} transform={`translate(0 ${index * share})`}>
                <RowName name={row.name} room={left} y={share / 2} theme={theme} />
                {row.states.map(({ from, to, shown }) => (
                  <rect
                    key={from}
                    x={left + from * (plotWidth - left)}
                    width={Math.max(1, (to - from) * (plotWidth - left))}
                    y={(share * (1 - rowHeight)) / 2}
                    height={share * rowHeight}
                    fill={shown.color}
                    fillOpacity={opacity}
                  />
                ))}
              </g>
            ))}
          </svg>
        );
      }}
    </VizLayout>
  );
}

/** Rows of a frame: `{name, states: [{from, to, shown}]}`, times as shares of the range. */
function rowsOf(frame, frames, range) {
  const time = frame.fields.find((field) => field.type === FieldType.time);
  const others = frame.fields.filter((field) => field !== time);
  return others.map((field) => ({
    name: getFieldDisplayName(field, frame, frames),
    states: statesOf(time.values, field, range),
  }));
}

function statesOf(times, field, range) {
  const [start, length] = [range.from.valueOf(), range.to.valueOf() - range.from.valueOf()];
  const states = [];
  times.forEach((time, index) => {
    const value = field.values[index];
    if (value === null) {
      return;
    }
    const shown = field.display(value);
    const next = Math.min(times[index + 1] ?? time + stepOf(times), range.to.valueOf());
    const [from, to] = [Math.max(0, (time - start) / length), (next - start) / length];
    const state = isByThreshold(field) ? shown.color : shown.text;
    const last = states.at(-1);
    if (last?.state === state && last.index === index - 1) {
      Object.assign(last, { to, index });
    } else {
      states.push({ state, from, to, shown, index });
    }
  });
  return states;
}

function stepOf(times) {
  return times.length > 1 ? (times.at(-1) - times.at(-2)) * WIDEST_GAP : 0;
}

function isByThreshold({ config }) {
  return config.color?.mode === FieldColorModeId.Thresholds && !config.mappings?.length;
}

function legendOf(rows, panel, theme) {
  const { showLegend = true, placement = "bottom", displayMode = "list" } = panel.options.legend ?? {};
  const { defaults = {} } = panel.fieldConfig ?? {};
  const items = isByThreshold({ config: defaults }) ? thresholdItems(defaults, theme) : stateItems(rows);
  if (!showLegend || items.length === 0) {
    return null;
  }
  return (
    <VizLayout.Legend placement={placement}>
      <VizLegend items={items} placement={placement} displayMode={displayMode} />
    </VizLayout.Legend>
  );
}

function stateItems(rows) {
  const states = rows.flatMap((row) => row.states.map(({ shown }) => shown));
  const colors = new Map(states.map((shown) => [formattedValueToString(shown), shown.color]));
  return [...colors].map(([label, color]) => ({ label, color, yAxis: 1 }));
}

function thresholdItems({ thresholds, unit }, theme) {
  const format = (value) => formattedValueToString(getValueFormat(unit ?? "")(value));
  const { steps } = thresholds;
  return steps.map(({ value, color }, index) => ({
    label: index === 0 ? `< ${format(steps[1]?.value ?? Infinity)}` : `${format(value)}+`,
    color: theme.visualization.getColorByName(color),
    yAxis: 1,
  }));
}
