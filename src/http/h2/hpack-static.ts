import { internName } from "../headers.ts";

/** RFC 7541 Appendix A, index 1 first: name and, after a space, the value where the entry has one. */
const fields = [
  ":authority",
  ":method GET",
  ":method POST",
  ":path /",
  ":path /index.html",
  ":scheme http",
  ":scheme https",
  ":status 200",
  ":status 204",
  ":status 206",
  ":status 304",
  ":status 400",
  ":status 404",
  ":status 500",
  "accept-charset",
  "accept-encoding gzip, deflate",
  "accept-language",
  "accept-ranges",
  "accept",
  "access-control-allow-origin",
  "age",
  "allow",
  "authorization",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expect",
  "expires",
  "from",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "link",
  "location",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authorization",
  "range",
  "referer",
  "refresh",
  "retry-after",
  "server",
  "set-cookie",
  "strict-transport-security",
  "transfer-encoding",
  "user-agent",
  "vary",
  "via",
  "www-authenticate",
];

/** Entries of the static table; the dynamic one begins at the index after it (RFC 7541 §2.3.3). */
export const staticCount = 61;

/** By index, so that [0] is no entry. The names are the interned objects. */
export const staticNames: readonly string[] = [
  "",
  ...fields.map((field) => pooled(fieldName(field))),
];
export const staticValues: readonly string[] = ["", ...fields.map(fieldValue)];

/** What the static table has under one name. */
export interface StaticName {
  /** The lowest index with this name. */
  readonly index: number;
  /** The values from that index on; empty when the name has none. */
  readonly values: readonly string[];
}

const byName: ReadonlyMap<string, StaticName> = indexNames();

export function findStaticName(name: string): StaticName | undefined {
  return byName.get(name);
}

function fieldName(field: string): string {
  const space = field.indexOf(" ");
  return space === -1 ? field : field.slice(0, space);
}

function fieldValue(field: string): string {
  const space = field.indexOf(" ");
  return space === -1 ? "" : field.slice(space + 1);
}

/** Pseudo fields are no tokens, so `internName` has none of them; as property keys they are internalised all the same. */
function pooled(name: string): string {
  return internName(name) ?? Object.keys({ [name]: 0 })[0] ?? "";
}

function indexNames(): Map<string, StaticName> {
  const names = new Map<string, { index: number; values: string[] }>();
  staticNames.forEach((name, index) => {
    if (index === 0) return;
    const value = staticValues[index] ?? "";
    const known = names.get(name);
    if (known !== undefined) known.values.push(value);
    else names.set(name, { index, values: value === "" ? [] : [value] });
  });
  return names;
}
