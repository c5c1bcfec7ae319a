// What draws each kind of panel. `kinds.json` lists them for the page's caption and for the tests.
import { BarGaugePanel } from "./bargauge.jsx";
import { HeatmapPanel } from "./heatmap.jsx";
import { StatPanel } from "./stat.jsx";
import { StateTimelinePanel } from "./state-timeline.jsx";
import { TablePanel } from "./table.jsx";
import { TextPanel } from "./text.jsx";
import { TimeSeriesPanel } from "./timeseries.jsx";

export const KINDS = {
  bargauge: BarGaugePanel,
  heatmap: HeatmapPanel,
  stat: StatPanel,
  "state-timeline": StateTimelinePanel,
  table: TablePanel,
  text: TextPanel,
  timeseries: TimeSeriesPanel,
};
