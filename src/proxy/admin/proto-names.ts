/** Maps whose keys are names of a user's things; their values are messages. */
const maps: ReadonlySet<string> = new Set([
  "typedPerFilterConfig",
  "typedExtensionProtocolOptions",
  "typedFilterMetadata",
  "policies",
]);

/** google.protobuf.Struct, or a map of it or of plain values: theirs as they wrote it. */
const structs: ReadonlySet<string> = new Set([
  "filterMetadata",
  "staticLayer",
  "jsonFormat",
  "dynamicParameters",
]);

/** Fields that Envoy's protos mark as sensitive: a dump says that there is something, and not what. */
const sensitive: ReadonlySet<string> = new Set([
  "privateKey",
  "password",
  "passwordSha1",
  "hmacSecret",
  "tokenSecret",
]);

/** Canonical ProtoJSON with the fields' proto names, as Envoy's admin prints it, and without secrets. */
export function fieldsToProto(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fieldsToProto);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [protoName(key), fieldValue(key, inner)]),
  );
}

function fieldValue(key: string, value: unknown): unknown {
  if (structs.has(key)) return value;
  if (sensitive.has(key)) return redacted(value);
  if (maps.has(key) && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, fieldsToProto(inner)]),
    );
  }
  // core.v3.Metadata has these two fields; a node's metadata is a Struct.
  if (key === "metadata" && isObject(value) && !isMetadata(value)) return value;
  return fieldsToProto(value);
}

function isMetadata(value: object): boolean {
  return Object.keys(value).every(
    (key) => key === "filterMetadata" || key === "typedFilterMetadata",
  );
}

/** A DataSource keeps the name of its file. */
function redacted(value: unknown): unknown {
  if (typeof value === "string") return "[redacted]";
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      protoName(key),
      key === "inlineString" ? "[redacted]" : key === "inlineBytes" ? "W3JlZGFjdGVkXQ==" : inner,
    ]),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function protoName(key: string): string {
  if (key.startsWith("@")) return key;
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
