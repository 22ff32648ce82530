/** Maps whose keys are names of a user's things, not of fields. */
const userKeyed: ReadonlySet<string> = new Set([
  "filterMetadata",
  "typedPerFilterConfig",
  "typedExtensionProtocolOptions",
  "staticLayer",
  "jsonFormat",
  "typedFilterMetadata",
  "policies",
]);

/** Canonical ProtoJSON with the fields' proto names, as Envoy's admin prints it. */
export function snakeKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      snake(key),
      userKeyed.has(key) ? userValues(key, inner) : snakeKeys(inner),
    ]),
  );
}

/** The keys stay; what is a message below them is spelt in its own way. */
function userValues(key: string, value: unknown): unknown {
  if (key === "filterMetadata" || key === "staticLayer" || key === "jsonFormat") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return snakeKeys(value);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, snakeKeys(inner)]));
}

function snake(key: string): string {
  return key.startsWith("@") ? key : key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
