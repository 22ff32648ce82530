/**
 * A tolerant reader of HTTP/1 messages for tests. It never judges a message: it says where one ends, so that a
 * test can look at the exact bytes. Bytes are latin1 strings throughout: one character is one byte.
 */

export interface Message {
  /** The message as it stood on the wire, framing included. */
  readonly raw: string;
  readonly startLine: string;
  /** In wire order, names as spelt by the sender. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** De-chunked. */
  readonly body: string;
  readonly trailers: readonly (readonly [name: string, value: string])[];
  readonly framing: "none" | "length" | "chunked" | "close";
}

export interface ReadOptions {
  readonly kind: "request" | "response";
  /** RFC 9112 §6.3: an answer to HEAD or a 2xx to CONNECT has no body, whatever its fields say. */
  readonly bodiless?: boolean;
  /** The sender has closed: a body framed by the close is now complete. */
  readonly ended?: boolean;
}

/** The first message in `bytes`, or undefined while it is incomplete. */
export function readMessage(bytes: string, options: ReadOptions): Message | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [startLine = "", ...lines] = bytes.slice(0, headEnd).split("\r\n");
  const fields = lines.map(splitField);
  const bodyStart = headEnd + 4;
  const build = (
    framing: Message["framing"],
    end: number,
    body: string,
    trailers = fields.slice(0, 0),
  ) => ({
    raw: bytes.slice(0, end),
    startLine,
    fields,
    body,
    trailers,
    framing,
  });
  if (options.bodiless === true || hasNoBody(startLine, options.kind)) {
    return build("none", bodyStart, "");
  }
  if (/chunked\s*$/i.test(fieldValue(fields, "transfer-encoding") ?? "")) {
    const chunked = readChunked(bytes, bodyStart);
    return chunked && build("chunked", chunked.end, chunked.body, chunked.trailers);
  }
  const length = fieldValue(fields, "content-length");
  if (length !== undefined) {
    const end = bodyStart + Number(length);
    return bytes.length < end ? undefined : build("length", end, bytes.slice(bodyStart, end));
  }
  if (options.kind === "request") return build("none", bodyStart, "");
  return options.ended === true ? build("close", bytes.length, bytes.slice(bodyStart)) : undefined;
}

/** Values of one field, joined with `, ` as RFC 9110 §5.3 allows; undefined when it is absent. */
export function fieldValue(fields: Message["fields"], name: string): string | undefined {
  const values = fields.filter(([field]) => field.toLowerCase() === name.toLowerCase());
  return values.length === 0 ? undefined : values.map(([, value]) => value).join(", ");
}

/** Replaces what differs from run to run: dates, identifiers, durations. */
export function normalise(raw: string): string {
  return raw
    .replace(/^(x-request-id: )[0-9a-f-]{36}\r$/gim, "$1<uuid>\r")
    .replace(/^(date: ).*GMT\r$/gim, "$1<date>\r")
    .replace(/^(x-envoy-upstream-service-time: )\d+\r$/gim, "$1<ms>\r")
    .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:<port>");
}

function splitField(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  return colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function hasNoBody(startLine: string, kind: ReadOptions["kind"]): boolean {
  return kind === "response" && /^HTTP\/\d\.\d (1\d\d|204|304)/.test(startLine);
}

function readChunked(bytes: string, start: number) {
  let position = start;
  let body = "";
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", position);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.slice(position, lineEnd), 16);
    if (size === 0) return readTrailers(bytes, lineEnd, body);
    if (!Number.isInteger(size) || bytes.length < lineEnd + 2 + size + 2) return undefined;
    body += bytes.slice(lineEnd + 2, lineEnd + 2 + size);
    position = lineEnd + 2 + size + 2;
  }
}

function readTrailers(bytes: string, lastChunkLineEnd: number, body: string) {
  // The empty line that ends the trailers may be the one right after the last chunk.
  const end = bytes.indexOf("\r\n\r\n", lastChunkLineEnd);
  if (end < 0) return undefined;
  const text = bytes.slice(lastChunkLineEnd + 2, end);
  const trailers = text === "" ? [] : text.split("\r\n").map(splitField);
  return { end: end + 4, body, trailers };
}
