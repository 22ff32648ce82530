/** Configuration as it is written in cases: JSON with placeholders in its strings. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** What the placeholders of one case stand for on one side. */
export interface Placeholders {
  /** `{case}`: a prefix that makes names unique within an area, so that many cases share one proxy. */
  readonly id: string;
  /** `{port:NAME}`, alone in its string: the port of that fake upstream, as a number. */
  readonly upstreamPort: (name: string) => number;
  /** `{log}`: the case's access log file. */
  readonly logPath: string;
  /** `{folder}`: a folder of the case's own. */
  readonly folder: string;
}

export function fill(value: Json | undefined, names: Placeholders): Json | undefined {
  if (typeof value === "string") return fillText(value, names);
  if (isArray(value)) return value.map((item) => fill(item, names) ?? null);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [fillNames(key, names), fill(item, names)]),
  );
}

function fillText(text: string, names: Placeholders): string | number {
  const port = /^\{port:([\w-]+)\}$/.exec(text)?.[1];
  return port === undefined ? fillNames(text, names) : names.upstreamPort(port);
}

export function fillNames(text: string, names: Placeholders): string {
  return text
    .replaceAll("{case}", names.id)
    .replaceAll("{log}", names.logPath)
    .replaceAll("{folder}", names.folder);
}

/** `Array.isArray` does not narrow readonly arrays. */
function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Looks into parsed JSON of unknown shape. */
export function jsonPath(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = Reflect.get(current, key);
  }
  return current;
}
