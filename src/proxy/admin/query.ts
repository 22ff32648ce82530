/** `a=1&b&a=2`: percent-decoded, `+` stays, the first value of a key counts. All as Envoy's admin reads its parameters. */
export function parseQuery(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const key = decode(equals === -1 ? pair : pair.slice(0, equals));
    if (!values.has(key)) values.set(key, equals === -1 ? "" : decode(pair.slice(equals + 1)));
  }
  return values;
}

/** What is no whole escape stays as it came. */
function decode(text: string): string {
  const bytes = text.replace(/(?:%[0-9a-fA-F]{2})+/g, (escapes) =>
    Buffer.from(escapes.replaceAll("%", ""), "hex").toString("utf8"),
  );
  return bytes;
}
