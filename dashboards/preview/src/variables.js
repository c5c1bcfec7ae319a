// The variables of a dashboard: what they may be, what they are, and putting them into a text.
import { atEnd, labelValues } from "./prometheus.js";

const EVERYTHING = "$__all";
const USE = /\$(\w+)|\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)\]\]/g;
const LABEL_VALUES = /^label_values\((?:(.*),)?\s*(\w+)\s*\)$/s;
const QUERY_RESULT = /^query_result\((.*)\)$/s;
const MAGIC_IN_REGEX = /[\\^$*+?.()|[\]{}]/g;

const escaped = (text) => `${text}`.replace(MAGIC_IN_REGEX, "\\\\$&");

const FORMATS = {
  raw: (values) => values.join(","),
  text: (values) => values.join(" + "),
  csv: (values) => values.join(","),
  pipe: (values) => values.join("|"),
  regex: (values) => (values.length > 1 ? `(${values.map(escaped).join("|")})` : escaped(values[0] ?? "")),
  queryparam: (values, name) => values.map((v) => `var-${name}=${encodeURIComponent(v)}`).join("&"),
  percentencode: (values) => encodeURIComponent(values.join(",")),
};

/** Replace each use of a variable in a text; those that nobody knows stay as they are. */
export function replaced(text, known, format = "raw") {
  return text.replace(USE, (use, plain, braced, asked, bracketed) => {
    const name = plain ?? braced ?? bracketed;
    const value = known[name];
    if (value === undefined) {
      return use;
    }
    if (typeof value === "string") {
      return value;
    }
    return value.all ?? FORMATS[asked ?? (value.isMany ? format : "raw")](value.values, name);
  });
}

/** Values of all variables, by name; `asked` holds those that the page's address gives. */
export async function settled(templating, asked, range) {
  const known = {};
  for (const variable of templating?.list ?? []) {
    const options = await optionsOf(variable, known, range);
    known[variable.name] = chosen(variable, options, asked.getAll(`var-${variable.name}`));
  }
  return known;
}

async function optionsOf(variable, known, range) {
  if (variable.type !== "query") {
    return (variable.options ?? []).map((option) => option.value).filter((v) => v !== EVERYTHING);
  }
  const text = typeof variable.query === "string" ? variable.query : (variable.query?.query ?? "");
  const definition = replaced(text || variable.definition || "", known, "regex").trim();
  const [, selector, label] = LABEL_VALUES.exec(definition) ?? [];
  if (label) {
    return filtered(variable.regex, await labelValues(label, selector?.trim() ?? "", range));
  }
  const [, query] = QUERY_RESULT.exec(definition) ?? [];
  if (query) {
    const series = await atEnd(query, range);
    return filtered(variable.regex, series.map(({ metric }) => JSON.stringify(metric)));
  }
  throw new Error(`Expected label_values or query_result, got ${definition}.`);
}

function filtered(regex, values) {
  if (!regex) {
    return values;
  }
  const pattern = new RegExp(regex.replace(/^\/|\/$/g, ""));
  return values.flatMap((value) => {
    const found = pattern.exec(value);
    return found ? [found[1] ?? found[0]] : [];
  });
}

function chosen(variable, options, asked) {
  const isMany = Boolean(variable.multi || variable.includeAll);
  const given = asked.length > 0 ? asked : [variable.current?.value ?? variable.query ?? []].flat();
  const isEverything = given.includes(EVERYTHING) || given.includes("All");
  if (isEverything || (given.length === 0 && variable.includeAll)) {
    return { values: options, all: variable.allValue || undefined, label: "All", isMany };
  }
  if (variable.type === "datasource") {
    return { values: given.map(String), label: variable.current?.text ?? "", isMany };
  }
  const offered = variable.type === "query" ? given.filter((v) => options.includes(v)) : given;
  const values = offered.length > 0 ? offered : options.slice(0, 1);
  return { values: values.map(String), label: values.join(" + ") || "None", isMany };
}
