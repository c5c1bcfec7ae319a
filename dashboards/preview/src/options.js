// Applies a panel's transformations and field options by the means of @grafana/data.
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  FieldConfigOptionsRegistry,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from "@grafana/data";
import { lastValueFrom } from "rxjs";

import { replaced } from "./variables.js";

export const TIME_ZONE = "utc";

standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(standardTransformers).map((one) => [one.id, one])).values()].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    aliasIds: transformation.aliasIds,
    transformation: async () => transformation,
  })),
);

const CUSTOM = "custom.";

/** The frames once the panel's transformations ran. */
export async function transformed(panel, frames, variables) {
  const steps = (panel.transformations ?? []).filter((step) => !step.disabled);
  for (const { id } of steps) {
    if (!standardTransformersRegistry.getIfExists(id)) {
      throw new Error(`Expected a transformation of @grafana/data, got ${id}.`);
    }
  }
  const context = { interpolate: (text) => replaced(text, variables) };
  return steps.length > 0 ? lastValueFrom(transformDataFrame(steps, frames, context)) : frames;
}

/** The frames with units, colours, names and thresholds of the panel put on every field. */
export function dressed(panel, frames, theme, variables) {
  const fieldConfig = { defaults: {}, overrides: [], ...panel.fieldConfig };
  const fields = applyFieldOverrides({
    data: frames,
    fieldConfig: structuredClone(fieldConfig),
    fieldConfigRegistry: registryOf(fieldConfig),
    replaceVariables: (text, scoped) => replaced(text, { ...variables, ...flattened(scoped) }),
    theme,
    timeZone: TIME_ZONE,
  });
  cacheFieldDisplayNames(fields);
  return fields;
}

function flattened(scoped = {}) {
  const texts = Object.entries(scoped).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(texts.filter(([, value]) => typeof value === "string"));
}

/** Knows each option that this panel has, and takes it as it stands. */
function registryOf({ defaults, overrides }) {
  const { custom = {}, ...standard } = defaults;
  const ids = new Set([
    ...Object.keys(standard),
    ...Object.keys(custom).map((name) => CUSTOM + name),
    ...overrides.flatMap((rule) => rule.properties.map((property) => property.id)),
  ]);
  return new FieldConfigOptionsRegistry(() => [...ids].map(optionOf));
}

function optionOf(id) {
  const isCustom = id.startsWith(CUSTOM);
  return {
    id,
    name: id,
    path: isCustom ? id.slice(CUSTOM.length) : id,
    isCustom,
    process: (value) => value,
    override: (value) => value,
    shouldApply: () => true,
  };
}
