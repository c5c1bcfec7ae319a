// A dashboard: what is chosen, and the panels where its JSON puts them.
import { dateTimeFormat } from "@grafana/data";
import { Icon, InlineLabel, Stack, Text } from "@grafana/ui";

import ours from "./kinds.json";
import { TIME_ZONE } from "./options.js";
import { Panel } from "./panel.jsx";

const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
const MARGIN = 16;
const NARROW = 769;
const HIDDEN = 2;

export function Dashboard({ dashboard, settings, width, onDone }) {
  const inner = width - 2 * MARGIN;
  const panels = [...dashboard.panels].sort(byPlace);
  const isNarrow = width < NARROW;
  const bottom = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const style = isNarrow
    ? { display: "flex", flexDirection: "column", gap: GAP }
    : { position: "relative", height: pixels(bottom) };
  return (
    <div style={{ padding: MARGIN, width, overflowX: "clip" }}>
      <Heading dashboard={dashboard} settings={settings} isNarrow={isNarrow} />
      <div style={style}>
        {panels.map((panel) => {
          const place = placeOf(panel.gridPos, inner, isNarrow);
          return (
            <div key={panel.id} style={{ ...place, position: isNarrow ? "static" : "absolute" }}>
              {panel.type === "row" ? (
                <RowHeading title={panel.title} />
              ) : (
                <Panel panel={panel} settings={settings} onDone={onDone} {...size(place)} />
              )}
            </div>
          );
        })}
      </div>
      <Caption panels={panels} />
    </div>
  );
}

const byPlace = (one, other) =>
  one.gridPos.y - other.gridPos.y || one.gridPos.x - other.gridPos.x;

const pixels = (rows) => rows * (ROW + GAP) - GAP;

const size = ({ width, height }) => ({ width, height });

function placeOf({ x, y, w, h }, inner, isNarrow) {
  if (isNarrow) {
    return { width: inner, height: pixels(h) };
  }
  const column = (inner + GAP) / COLUMNS;
  const [left, top] = [Math.round(x * column), y * (ROW + GAP)];
  return { left, top, width: Math.round((x + w) * column) - left - GAP, height: pixels(h) };
}

function RowHeading({ title }) {
  return (
    <Stack direction="row" alignItems="center" gap={1}>
      <Icon name="angle-down" />
      <Text element="h2" variant="h6">
        {title}
      </Text>
    </Stack>
  );
}

function Heading({ dashboard, settings, isNarrow }) {
  const { range, variables } = settings;
  const shown = (dashboard.templating?.list ?? []).filter(({ hide }) => hide !== HIDDEN && hide !== "hideVariable");
  const format = (time) => dateTimeFormat(time, { format: "YYYY-MM-DD HH:mm:ss", timeZone: TIME_ZONE });
  return (
    <div style={{ paddingBottom: MARGIN }}>
      <Stack direction={isNarrow ? "column" : "row"} justifyContent="space-between" gap={1}>
        <Text element="h1" variant="h4">
          {dashboard.title}
        </Text>
        <Stack direction="row" alignItems="center" gap={1}>
          <Icon name="clock-nine" />
          <Text>{`${format(range.from)} to ${format(range.to)} UTC`}</Text>
        </Stack>
      </Stack>
      <div style={{ display: "flex", flexWrap: "wrap", gap: GAP, paddingTop: GAP }}>
        {shown.map(({ name, label }) => (
          <Chosen key={name} name={label || name} value={variables[name].label} theme={settings.theme} />
        ))}
      </div>
    </div>
  );
}

function Chosen({ name, value, theme }) {
  const box = {
    display: "flex",
    alignItems: "center",
    gap: GAP,
    padding: "0 8px",
    background: theme.components.input.background,
    border: `1px solid ${theme.components.input.borderColor}`,
    borderRadius: theme.shape.radius.default,
  };
  return (
    <div style={{ display: "flex" }}>
      <InlineLabel width="auto">{name}</InlineLabel>
      <div style={box}>
        <Text>{value}</Text>
        <Icon name="angle-down" />
      </div>
    </div>
  );
}

/** Says what of this is Grafana's own drawing, and what is not. */
function Caption({ panels }) {
  const used = ours.ours.filter((kind) => panels.some((panel) => panel.type === kind));
  const exception = used.length > 0 ? ` Panels of kind ${used.join(" and ")} are drawn by the preview.` : "";
  return (
    <div style={{ paddingTop: MARGIN }}>
      <Text variant="bodySmall" color="secondary">
        {`A preview, not Grafana: panels by @grafana/ui ${__GRAFANA_UI__}, values by Prometheus.${exception}`}
      </Text>
    </div>
  );
}
