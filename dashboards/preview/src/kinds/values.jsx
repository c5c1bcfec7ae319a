// Values that a panel reduces its series to, one place each, as stat and bar gauge panels show them.
import { getDisplayValueAlignmentFactors, getFieldDisplayValues } from "@grafana/data";
import { VizRepeater } from "@grafana/ui";

import { TIME_ZONE } from "../options.js";

/** Repeats `drawn(value, place)` for each value of the panel. */
export function Values({ panel, frames, theme, width, height, withTrend, itemSpacing, limits, drawn }) {
  const { reduceOptions, orientation = "auto" } = panel.options;
  const valuesOf = () =>
    getFieldDisplayValues({
      data: frames,
      reduceOptions,
      fieldConfig: { defaults: {}, overrides: [], ...panel.fieldConfig },
      replaceVariables: (text) => text,
      sparkline: withTrend,
      theme,
      timeZone: TIME_ZONE,
    });
  return (
    <VizRepeater
      getValues={valuesOf}
      getAlignmentFactors={(values) => getDisplayValueAlignmentFactors(values)}
      renderValue={({ value, ...place }) => drawn(value, place)}
      source={frames}
      renderCounter={0}
      orientation={orientation}
      itemSpacing={itemSpacing}
      autoGrid
      width={width}
      height={height}
      {...limits}
    />
  );
}
