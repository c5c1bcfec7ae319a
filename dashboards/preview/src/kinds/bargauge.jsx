// A bar gauge panel: BarGauge of @grafana/ui.
import { BarGauge } from "@grafana/ui";

import { Values } from "./values.jsx";

const AUTO = { minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 };

export function BarGaugePanel(properties) {
  const { panel, theme } = properties;
  const { displayMode, valueMode, namePlacement, showUnfilled = true, sizing } = panel.options;
  const { minVizWidth, minVizHeight, maxVizHeight } = panel.options;
  const limits = sizing === "manual" ? { minVizWidth, minVizHeight, maxVizHeight } : AUTO;
  return (
    <Values
      {...properties}
      withTrend={false}
      itemSpacing={displayMode === "lcd" ? 2 : 10}
      limits={limits}
      drawn={(value, { width, height, orientation, alignmentFactors }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
          displayMode={displayMode}
          valueDisplayMode={valueMode}
          namePlacement={namePlacement}
          showUnfilled={showUnfilled}
          orientation={orientation}
          alignmentFactors={alignmentFactors}
          width={width}
          height={height}
          theme={theme}
        />
      )}
    />
  );
}
