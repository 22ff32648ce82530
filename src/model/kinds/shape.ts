/** The shape of Kubernetes' objects: the fields that are read are checked, all others are let through, because they are not ours. */
import type { Report } from "./report.ts";

/** Reads a value; undefined when it is absent or not of the shape (then the report says so). */
export type Shape<T> = (value: unknown, report: Report) => T | undefined;

const describe = (value: unknown): string =>
  Array.isArray(value) ? "a list" : typeof value === "object" ? "a map" : JSON.stringify(value);

function leaf<T>(expected: string, accepts: (value: unknown) => value is T): Shape<T> {
  return (value, report) => {
    if (value === undefined || value === null) return undefined;
    if (accepts(value)) return value;
    report.problem(`must be ${expected}, not ${describe(value)}`);
    return undefined;
  };
}

export const text: Shape<string> = leaf("a string", (value) => typeof value === "string");
export const flag: Shape<boolean> = leaf("true or false", (value) => typeof value === "boolean");
export const integer: Shape<number> = leaf("an integer", (value): value is number =>
  Number.isSafeInteger(value),
);
export const port: Shape<number> = leaf(
  "a port between 1 and 65535",
  (value): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65535,
);
/** A port's number or its name. */
export const portOrName: Shape<number | string> = leaf(
  "a port's number or name",
  (value): value is number | string =>
    (typeof value === "string" && value !== "") ||
    (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65535),
);

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, report) => {
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value)) {
      report.problem(`must be a list, not ${describe(value)}`);
      return undefined;
    }
    const read = value.map((entry: unknown, index) => item(entry, report.at(index)));
    return read.filter((entry) => entry !== undefined);
  };
}

export function map<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value, report) => {
    const from = asObject(value, report);
    if (from === undefined) return undefined;
    const read: [string, T][] = [];
    for (const [key, entry] of Object.entries(from)) {
      const result = item(entry, report.at(key));
      if (result !== undefined) read.push([key, result]);
    }
    return Object.fromEntries(read);
  };
}

type Fields<F> = { readonly [K in keyof F]?: F[K] extends Shape<infer T> ? T : never };

export function object<F extends Readonly<Record<string, Shape<unknown>>>>(
  fields: F,
): Shape<Fields<F>> {
  return (value, report) => {
    const from = asObject(value, report);
    if (from === undefined) return undefined;
    const read: Record<string, unknown> = { ...from };
    for (const [name, shape] of Object.entries(fields)) {
      const result = shape(from[name], report.at(name));
      if (result === undefined) delete read[name];
      else read[name] = result;
    }
    // Every field of F has just been read by its own shape.
    return read as Fields<F>;
  };
}

function asObject(value: unknown, report: Report): Readonly<Record<string, unknown>> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "object" && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  report.problem(`must be a map, not ${describe(value)}`);
  return undefined;
}
