// Asks Prometheus, through the server that this page came from.

async function ask(path, parameters) {
  const response = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = await response.json();
  if (answer.status !== "success") {
    throw new Error(answer.error);
  }
  return answer.data;
}

/** Series over a range, `[{metric, values: [[seconds, text], ...]}, ...]`. */
export async function overRange(query, range, step) {
  const start = Math.floor(range.from.valueOf() / 1000 / step) * step;
  const end = range.to.valueOf() / 1000;
  return (await ask("query_range", { query, start, end, step })).result;
}

/** Series at the end of a range, each with one value. */
export async function atEnd(query, range) {
  const { result, resultType } = await ask("query", { query, time: range.to.valueOf() / 1000 });
  if (resultType === "scalar") {
    return [{ metric: {}, values: [result] }];
  }
  return result.map(({ metric, value }) => ({ metric, values: [value] }));
}

/** Values of a label, sorted; `selector` may be "". */
export async function labelValues(label, selector, range) {
  const asked = { start: range.from.valueOf() / 1000, end: range.to.valueOf() / 1000 };
  return ask(`label/${label}/values`, selector ? { ...asked, "match[]": selector } : asked);
}
