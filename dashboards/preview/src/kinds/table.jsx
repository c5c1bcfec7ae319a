// A table panel: the table of @grafana/ui that Grafana draws since version 12.
import { TableNG } from "@grafana/ui/unstable";

export function TablePanel({ panel, frames, range, width, height }) {
  const { sortBy, showHeader = true, cellHeight } = panel.options;
  return (
    <TableNG
      data={frames[0]}
      width={width}
      height={height}
      noHeader={!showHeader}
      sortBy={sortBy}
      cellHeight={cellHeight}
      timeRange={range}
      fieldConfig={panel.fieldConfig}
      structureRev={1}
      transparent={false}
    />
  );
}
