import type { Json } from "../../../stream-info.ts";

type Fields = { readonly [key: string]: Json };

/** What was there and what is added, neither changed: scalars give way, lists are joined, objects merge. */
export function mergeFields(fields: Fields, added: Fields): Fields {
  const merged: Record<string, Json> = { ...fields };
  for (const [key, value] of Object.entries(added)) {
    const before = Object.hasOwn(fields, key) ? fields[key] : undefined;
    merged[key] = before === undefined ? value : mergeValue(before, value);
  }
  return merged;
}

function mergeValue(before: Json, value: Json): Json {
  if (isList(before) && isList(value)) return [...before, ...value];
  return isFields(before) && isFields(value) ? mergeFields(before, value) : value;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function isFields(value: Json): value is Fields {
  return typeof value === "object" && value !== null && !isList(value);
}
