import { HeaderList, internName } from "../headers.ts";

/** What a message must obey. Strict by default; the lenient ones are Envoy's ways, behind runtime keys (differences-from-envoy.md). */
export interface Http1Limits {
  /** Start line and fields together. */
  readonly headBytesMax: number;
  readonly fieldsMax: number;
  readonly lenient: LenientParsing | undefined;
}

/**
 * Envoy's lax ways, each with the last part of its runtime key, `heddle.http1.lenient.<part>`. What each one does stands beside the
 * difference that it undoes in docs/reference/differences-from-envoy.md.
 */
export const lenientKeys = {
  obsFold: "obs_fold",
  bareCr: "bare_cr",
  bareLf: "bare_lf",
  twoHosts: "two_hosts",
  http10TransferEncoding: "http10_transfer_encoding",
  emptyTransferEncoding: "empty_transfer_encoding",
  chunkJunk: "chunk_junk",
  chunkSize: "chunk_size",
  chunkExtension: "chunk_extension",
  requestLine: "request_line",
  userinfo: "userinfo",
  httpsOnPlaintext: "https_on_plaintext",
} as const;

export type LenientName = keyof typeof lenientKeys;

export type LenientParsing = { readonly [Name in LenientName]?: boolean };

/** `isOn` reads one runtime key by its last part. Undefined when none is on: the codec then skips every question. */
export function compileLenient(isOn: (key: string) => boolean): LenientParsing | undefined {
  const names = Object.keys(lenientKeys) as LenientName[];
  const on = names.filter((name) => isOn(lenientKeys[name]));
  return on.length === 0 ? undefined : Object.fromEntries(on.map((name) => [name, true]));
}

/** Where a head or trailer section ends: the offset of its last line's end, and the length of that and the empty line. */
export interface SectionEnd {
  readonly at: number;
  readonly length: number;
}

const anyLineEnds = /\r?\n\r?\n/;

/** The section's end with bare LF taken for line ends; `at` -1: not there yet. */
export function laxSectionEnd(text: string): SectionEnd {
  const match = anyLineEnds.exec(text);
  return match === null ? { at: -1, length: 0 } : { at: match.index, length: match[0].length };
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
  /** Each field with its line end, less one: as Envoy's meters count. */
  fieldBytes = 0;
}

/**
 * A control character other than tab, or a CR or LF that is not part of CRLF. RFC 9110 §5.5 and RFC 9112 §2.2: such bytes are how
 * one message is made to look like two.
 */
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
      section.host = section.host === undefined ? value : `${section.host},${value}`;
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
      section.upgrade = section.upgrade === undefined ? value : `${section.upgrade}, ${value}`;
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
  section.connection =
    section.connection === undefined ? tokens : `${section.connection},${tokens}`;
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

/** Digits only (RFC 9112 §6.3), and no more than a double holds exactly. -2 otherwise. */
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
  if (lenient.bareLf === true) relaxed = relaxed.replace(/(?<!\r)\n/g, "\r\n");
  if (lenient.obsFold === true) relaxed = relaxed.replace(/\r\n[ \t]+/g, " ");
  if (lenient.bareCr === true) relaxed = relaxed.replace(/\r(?!\n)/g, "");
  return relaxed;
}

const incompleteForbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r[^\n]/;

/** As `hasForbiddenByte` for a section that is still coming: its last byte may be the CR of a CRLF. */
export function hasForbiddenByteSoFar(text: string): boolean {
  return incompleteForbidden.test(text);
}

/** RFC 9112 §6.1; undefined: there is no Transfer-Encoding. */
export function transferCoding(
  section: FieldSection,
  lenient: LenientParsing | undefined,
): string | undefined {
  const coding = section.transferEncoding;
  if (coding === undefined || coding === "chunked" || lenient?.emptyTransferEncoding !== true)
    return coding;
  // RFC 9110 §5.6.1.2: empty list elements do not count.
  const words = coding.split(",").map((word) => word.trim());
  return words.filter((word) => word !== "").join(",");
}
