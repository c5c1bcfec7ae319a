// Answers of the API, with what the pages need of their addresses.

export async function answer(path, parameters = []) {
  const query = new URLSearchParams(parameters).toString();
  const response = await fetch(query ? `${path}?${query}` : path, {
    headers: { Accept: "application/json" },
  });
  if (!response.ok) throw new Error(`the service answered ${response.status}`);
  return response.json();
}

// Keys of values as the API takes them.
export function keysOf(keys) {
  return ["keys", keys.join(",")];
}

export function runPath(run, rest) {
  return `/v1/runs/${encodeURIComponent(run)}/${rest}`;
}

// Values that JSON cannot say come as words, such as "nan"; a chart has a gap there.
export function numbers(values) {
  return (values ?? []).map((value) => (Number.isFinite(value) ? value : null));
}
