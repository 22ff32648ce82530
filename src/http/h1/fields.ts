import { HeaderList, internName } from "../headers.ts";

/** What a message must obey. Strict by default; the lenient ones are Envoy's ways, behind runtime keys (differences-from-envoy.md). */
export interface Http1Limits {
  /** Start line and fields together. */
  readonly headBytesMax: number;
  readonly fieldsMax: number;
  readonly lenient: LenientParsing | undefined;
}

export interface LenientParsing {
  /** Join folded lines with a space. */
  readonly obsFold: boolean;
  /** Drop a CR that no LF follows. */
  readonly bareCr: boolean;
  /** Take LF as the end of a line. */
  readonly bareLf: boolean;
  /** Skip what stands between chunk data and its line end. */
  readonly chunkJunk: boolean;
}

/** A field section and what its framing and connection fields said; of those only content-length is in `headers`. */
export class FieldSection {
  readonly headers: HeaderList = new HeaderList();
  host: string | undefined = undefined;
  hostCount = 0;
  /** -1: absent; -2: malformed or repeated. */
  contentLength = -1;
  /** Lower-cased codings of all Transfer-Encoding fields joined with "," or undefined. */
  transferEncoding: string | undefined = undefined;
  /** Lower-cased tokens of Connection. */
  connection: string | undefined = undefined;
  upgrade: string | undefined = undefined;
  expectsContinue = false;
  /** Keep-alive asked for by name (HTTP/1.0). */
  keepAlive = false;
  close = false;
  fieldCount = 0;
}

/**
 * A control character other than tab, or a CR or LF that is not part of CRLF. RFC 9110 §5.5 and RFC 9112 §2.2: such bytes are how
 * one message is made to look like two.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is its purpose
const forbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;

export function hasForbiddenByte(text: string): boolean {
  return forbidden.test(text);
}

/** Why a field section is refused; undefined: it is good. */
export type FieldProblem = "syntax" | "too-many-fields" | undefined;

/** Parse the lines of `text` from `start` (first field) to `end` (the empty line). */
export function parseFields(
  text: string,
  start: number,
  end: number,
  fieldsMax: number,
  section: FieldSection,
): FieldProblem {
  let at = start;
  while (at < end) {
    let lineEnd = text.indexOf("\r\n", at);
    if (lineEnd === -1 || lineEnd > end) lineEnd = end;
    const colon = text.indexOf(":", at);
    if (colon <= at || colon >= lineEnd) return "syntax";
    // A name with white space before the colon, or a folded line, is not a token: RFC 9112 §5.1 and §5.2.
    const name = internName(text.slice(at, colon));
    if (name === undefined) return "syntax";
    if (++section.fieldCount > fieldsMax) return "too-many-fields";
    takeField(section, name, trimmed(text, colon + 1, lineEnd));
    at = lineEnd + 2;
  }
  return undefined;
}

function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function takeField(section: FieldSection, name: string, value: string): void {
  switch (name) {
    case "host":
      section.hostCount++;
      section.host = value;
      return;
    case "content-length":
      section.contentLength = section.contentLength === -1 ? parseLength(value) : -2;
      section.headers.list.push(name, String(section.contentLength));
      return;
    case "transfer-encoding": {
      const lower = value.toLowerCase();
      section.transferEncoding =
        section.transferEncoding === undefined ? lower : `${section.transferEncoding},${lower}`;
      return;
    }
    case "connection":
      takeConnection(section, value.toLowerCase());
      return;
    case "upgrade":
      section.upgrade = value;
      return;
    case "keep-alive":
    case "proxy-connection":
      return;
    case "expect":
      if (value.toLowerCase() === "100-continue") section.expectsContinue = true;
      else section.headers.add(name, value);
      return;
    case "te":
      // RFC 9110 §10.1.4: only "trailers" concerns the next hop.
      if (/(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value)) section.headers.add(name, "trailers");
      return;
    default:
      section.headers.list.push(name, value);
  }
}

function takeConnection(section: FieldSection, tokens: string): void {
  section.connection = section.connection === undefined ? tokens : `${section.connection},${tokens}`;
  if (tokens === "keep-alive") section.keepAlive = true;
  else if (tokens === "close") section.close = true;
  else {
    for (const token of tokens.split(",")) {
      const word = token.trim();
      if (word === "close") section.close = true;
      else if (word === "keep-alive") section.keepAlive = true;
    }
  }
}

/** Digits only, at most 15 of them without leading zeros: RFC 9112 §6.3, and a double holds it exactly. -2 otherwise. */
function parseLength(value: string): number {
  const length = value.length;
  if (length === 0) return -2;
  let total = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -2;
    total = total * 10 + digit;
    if (total > Number.MAX_SAFE_INTEGER) return -2;
  }
  return total;
}

/** Fields that Connection names concern this hop only (RFC 9110 §7.6.1); framing is not theirs to take away. */
export function removeNominated(section: FieldSection): void {
  const tokens = section.connection;
  if (tokens === undefined || tokens === "keep-alive" || tokens === "close") return;
  for (const token of tokens.split(",")) {
    const name = token.trim();
    if (name !== "" && name !== "te" && name !== "content-length") section.headers.remove(name);
  }
}

export function connectionHas(section: FieldSection, token: string): boolean {
  return section.connection?.split(",").some((word) => word.trim() === token) ?? false;
}

/** Apply the configured leniency to a head or trailer section before it is parsed. */
export function relax(text: string, lenient: LenientParsing): string {
  let relaxed = text;
  if (lenient.bareLf) relaxed = relaxed.replace(/(?<!\r)\n/g, "\r\n");
  if (lenient.obsFold) relaxed = relaxed.replace(/\r\n[ \t]+/g, " ");
  if (lenient.bareCr) relaxed = relaxed.replace(/\r(?!\n)/g, "");
  return relaxed;
}
