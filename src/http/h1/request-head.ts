import { RequestHead } from "../message.ts";
import {
  connectionHas,
  FieldSection,
  hasForbiddenByte,
  type LenientParsing,
  parseFields,
  relax,
  removeNominated,
  transferCoding,
} from "./fields.ts";
import type { Http1ServerOptions } from "./server.ts";

/** The outcome of reading one request head. `head` undefined: refused with `status` and Envoy's response code `detail`. */
export interface ParsedRequest {
  readonly head: RequestHead | undefined;
  readonly framing: "none" | "length" | "chunked" | "tunnel";
  readonly length: number;
  readonly close: boolean;
  /** HTTP/1.0 client that asked for keep-alive. */
  readonly keepAlive: boolean;
  readonly version10: boolean;
  readonly status: number;
  readonly detail: string;
  /** What Envoy's meters take for the head's size: each field with its line end, less one. */
  readonly fieldBytes: number;
}

function refused(status: number, detail: string, version10: boolean = false): ParsedRequest {
  return {
    head: undefined,
    framing: "none",
    length: 0,
    close: true,
    keepAlive: false,
    version10,
    status,
    detail,
    fieldBytes: 0,
  };
}

const malformed: ParsedRequest = refused(400, "http1.codec_error");

/** Envoy knows these and refuses others. */
const methods: ReadonlySet<string> = new Set(
  "ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split(
    " ",
  ),
);

/**
 * `text` up to `end` is a head without its last empty line. Bytes are looked at before anything else: the answer must not depend on
 * how the head was cut, and the reader of a head that is still coming refuses such bytes at once.
 */
export function parseRequest(
  text: string,
  end: number,
  options: Http1ServerOptions,
): ParsedRequest {
  const raw = text.slice(0, end);
  const source = options.lenient === undefined ? raw : relaxHead(raw, options.lenient);
  if (hasForbiddenByte(source)) return malformed;
  let lineEnd = source.indexOf("\r\n");
  if (lineEnd === -1) lineEnd = source.length;
  const methodEnd = source.indexOf(" ");
  const targetEnd = source.indexOf(" ", methodEnd + 1);
  if (methodEnd <= 0 || targetEnd <= methodEnd + 1 || targetEnd > lineEnd)
    return withoutVersion(source, lineEnd);
  const method = source.slice(0, methodEnd);
  if (!methods.has(method)) return malformed;
  const version = source.slice(targetEnd + 1, lineEnd);
  if (version !== "HTTP/1.1" && version !== "HTTP/1.0") return wrongVersion(version);
  const section = new FieldSection();
  const problem = parseFields(source, lineEnd + 2, source.length, options.fieldsMax, section);
  if (problem === "too-many-fields") return refused(431, "http1.too_many_headers");
  if (problem !== undefined) return malformed;
  const target = source.slice(methodEnd + 1, targetEnd);
  const protocol = version === "HTTP/1.1" ? 11 : 10;
  section.fieldBytes = source.length - lineEnd - section.fieldCount;
  const head = new RequestHead(method, target, section.host ?? "", protocol, section.headers);
  return finish(head, section, options);
}

function relaxHead(raw: string, lenient: LenientParsing): string {
  const source = relax(raw, lenient);
  if (lenient.requestLine !== true) return source;
  const found = source.indexOf("\r\n");
  const lineEnd = found === -1 ? source.length : found;
  const line = source.slice(0, lineEnd).replace(/[ \t]+/g, " ");
  return (line.endsWith(" ") ? line.slice(0, -1) : line) + source.slice(lineEnd);
}

/** "GET /" without a version is HTTP/0.9. */
function withoutVersion(source: string, lineEnd: number): ParsedRequest {
  const words = source.slice(0, lineEnd).split(" ");
  return words.length === 2 && methods.has(words[0] ?? "") && words[1] !== ""
    ? refused(426, "low_version", true)
    : malformed;
}

function wrongVersion(version: string): ParsedRequest {
  return /^HTTP\/\d\.\d$/.test(version) ? refused(426, "low_version") : malformed;
}

function finish(
  head: RequestHead,
  section: FieldSection,
  options: Http1ServerOptions,
): ParsedRequest {
  const version10 = head.version === 10;
  if (version10 && section.hostCount === 0) head.authority = options.defaultHostForHttp10;
  const valid =
    (section.hostCount <= 1 || options.lenient?.twoHosts === true) &&
    !(section.connection !== undefined && connectionHas(section, "host")) &&
    takeTarget(head, section, options) &&
    isAuthority(head.authority, options);
  if (!valid) return refused(400, "http1.codec_error", version10);
  removeNominated(section);
  head.hostMissing = head.authority === "" && section.host === undefined;
  head.expectsContinue = section.expectsContinue && !version10;
  if (asksUpgrade(head, section)) head.upgrade = section.upgrade;
  return frame(head, section, options);
}

/** RFC 9110 §7.2 and §4.2.4: no delimiters of other parts of a URI, and no userinfo. */
function isAuthority(authority: string, options: Http1ServerOptions): boolean {
  if (!/[@ \t/?#\\]/.test(authority)) return true;
  return options.lenient?.userinfo === true && !/[ \t/?#\\]/.test(authority);
}

function asksUpgrade(head: RequestHead, section: FieldSection): boolean {
  if (section.upgrade === undefined || head.version === 10) return false;
  // RFC 9110 §7.8 lets a server ignore Upgrade. With a body the request's end and the tunnel's begin would be a matter of opinion.
  if (section.contentLength > 0 || section.transferEncoding !== undefined) return false;
  return connectionHas(section, "upgrade") && section.upgrade.toLowerCase() !== "h2c";
}

/** RFC 9112 §6.3. */
function frame(
  head: RequestHead,
  section: FieldSection,
  options: Http1ServerOptions,
): ParsedRequest {
  const version10 = head.version === 10;
  const close = section.close || (version10 && !section.keepAlive);
  const { keepAlive } = section;
  const { fieldBytes } = section;
  const parsed: { -readonly [K in keyof ParsedRequest]: ParsedRequest[K] } = {
    head,
    framing: "none",
    length: 0,
    close,
    keepAlive,
    version10,
    status: 0,
    detail: "",
    fieldBytes,
  };
  if (section.contentLength === -2) return refused(400, "http1.codec_error", version10);
  const coding = transferCoding(section, options.lenient);
  if (coding !== undefined) {
    // RFC 9112 §6.1: both lengths present is a smuggling attempt, and chunked in HTTP/1.0 is faulty framing.
    const bothLengths = section.contentLength !== -1 && !options.allowChunkedLength;
    const faulty = version10 && options.lenient?.http10TransferEncoding !== true;
    if (faulty || bothLengths) return refused(400, "http1.codec_error", version10);
    // RFC 9110 §9.3.6: content in a CONNECT has no meaning.
    if (head.method === "CONNECT") return malformed;
    if (coding !== "chunked") return refused(501, "http1.invalid_transfer_encoding", version10);
    head.headers.remove("content-length");
    parsed.framing = "chunked";
    return parsed;
  }
  if (head.method === "CONNECT" && section.contentLength > 0) return malformed;
  if (head.method === "CONNECT" || head.upgrade !== undefined) parsed.framing = "tunnel";
  else if (section.contentLength > 0) {
    parsed.framing = "length";
    parsed.length = section.contentLength;
  }
  return parsed;
}

/** RFC 9112 §3.2: the four forms of a target. Returns false when it is none of them. */
function takeTarget(
  head: RequestHead,
  section: FieldSection,
  options: Http1ServerOptions,
): boolean {
  const target = head.path;
  if (options.secure) head.scheme = "https";
  // RFC 9112 §3.2: a target is visible ASCII without a fragment.
  if (/[#\t\x80-\xff]/.test(target)) return false;
  if (target.charCodeAt(0) === 0x2f /* / */) return true;
  if (head.method === "CONNECT") {
    head.path = "";
    if (!/^(?:\[[0-9a-fA-F:.]+\]|[^:/?#@[\]]+):\d{1,5}$/.test(target)) return false;
    head.authority = target;
    return true;
  }
  if (target === "*") return head.method === "OPTIONS";
  const absolute = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(target);
  if (absolute === null) return false;
  if (
    absolute[1]?.toLowerCase() === "https" &&
    !options.secure &&
    options.lenient?.httpsOnPlaintext !== true
  )
    return false;
  if (!options.allowAbsoluteUrl) return true;
  // RFC 9112 §3.2.2: the authority of the target wins over Host.
  head.authority = absolute[2] ?? "";
  section.host = head.authority;
  const path = absolute[3] ?? "";
  head.path = path.startsWith("/") ? path : `/${path}`;
  return head.authority !== "";
}
