// A stat panel: BigValue of @grafana/ui.
import { BigValue } from "@grafana/ui";

import { Values } from "./values.jsx";

export function StatPanel(properties) {
  const { panel, theme } = properties;
  const { colorMode, graphMode, justifyMode, textMode, text, wideLayout = true } = panel.options;
  return (
    <Values
      {...properties}
      withTrend={graphMode !== "none"}
      itemSpacing={3}
      drawn={(value, { width, height, count, alignmentFactors }) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline}
          colorMode={colorMode}
          graphMode={graphMode}
          justifyMode={justifyMode}
          textMode={textMode}
          text={text}
          count={count}
          alignmentFactors={alignmentFactors}
          disableWideLayout={!wideLayout}
          width={width}
          height={height}
          theme={theme}
        />
      )}
    />
  );
}
