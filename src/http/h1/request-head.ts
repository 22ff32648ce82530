import { RequestHead } from "../message.ts";
import { FieldSection, connectionHas, hasForbiddenByte, parseFields, relax, removeNominated } from "./fields.ts";
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
}

function refused(status: number, detail: string, version10: boolean = false): ParsedRequest {
  return { head: undefined, framing: "none", length: 0, close: true, keepAlive: false, version10, status, detail };
}

/** Envoy knows these and refuses others. */
const methods: ReadonlySet<string> = new Set(
  "ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split(" "),
);

/** `text` up to `end` is a head without its last empty line. */
export function parseRequest(text: string, end: number, options: Http1ServerOptions): ParsedRequest {
  if (end > options.headBytesMax) return refused(431, "http1.headers_too_large");
  const source = options.lenient === undefined ? text : relax(text.slice(0, end), options.lenient);
  const stop = options.lenient === undefined ? end : source.length;
  let lineEnd = source.indexOf("\r\n");
  if (lineEnd === -1 || lineEnd > stop) lineEnd = stop;
  const methodEnd = source.indexOf(" ");
  const targetEnd = source.indexOf(" ", methodEnd + 1);
  if (methodEnd <= 0 || targetEnd <= methodEnd + 1 || targetEnd > lineEnd) return withoutVersion(source, lineEnd);
  const version = source.slice(targetEnd + 1, lineEnd);
  if (version !== "HTTP/1.1" && version !== "HTTP/1.0") return wrongVersion(version);
  const method = source.slice(0, methodEnd);
  if (!methods.has(method)) return refused(400, "http1.codec_error");
  const section = new FieldSection();
  const problem = parseFields(source, lineEnd + 2, stop, options.fieldsMax, section);
  if (problem === "too-many-fields") return refused(431, "http1.too_many_headers");
  if (problem !== undefined || hasForbiddenByte(stop === source.length ? source : source.slice(0, stop))) return refused(400, "http1.codec_error");
  const head = new RequestHead(method, source.slice(methodEnd + 1, targetEnd), section.host ?? "", version === "HTTP/1.1" ? 11 : 10, section.headers);
  return finish(head, section, options);
}

/** "GET /" without a version is HTTP/0.9. */
function withoutVersion(source: string, lineEnd: number): ParsedRequest {
  const words = source.slice(0, lineEnd).split(" ").filter((word) => word !== "");
  return words.length === 2 && methods.has(words[0] ?? "") && !hasForbiddenByte(source.slice(0, lineEnd)) ? refused(426, "low_version", true) : refused(400, "http1.codec_error");
}

function wrongVersion(version: string): ParsedRequest {
  return /^HTTP\/\d\.\d$/.test(version) ? refused(426, "low_version") : refused(400, "http1.codec_error");
}

function finish(head: RequestHead, section: FieldSection, options: Http1ServerOptions): ParsedRequest {
  const version10 = head.version === 10;
  if (version10 && section.hostCount === 0) head.authority = options.defaultHostForHttp10;
  if (section.hostCount > 1) return refused(400, "http1.codec_error", version10);
  if (section.connection !== undefined && connectionHas(section, "host")) return refused(400, "http1.codec_error", version10);
  if (!takeTarget(head, section, options)) return refused(400, "http1.codec_error", version10);
  if (/[@ \t/?#\\]/.test(head.authority)) return refused(400, "http1.codec_error", version10);
  removeNominated(section);
  head.hostMissing = head.authority === "" && section.host === undefined;
  head.expectsContinue = section.expectsContinue && !version10;
  if (section.upgrade !== undefined && !version10 && connectionHas(section, "upgrade") && section.upgrade.toLowerCase() !== "h2c") head.upgrade = section.upgrade;
  return frame(head, section, options);
}

/** RFC 9112 §6.3. */
function frame(head: RequestHead, section: FieldSection, options: Http1ServerOptions): ParsedRequest {
  const version10 = head.version === 10;
  const parsed = { head, length: 0, close: section.close || (version10 && !section.keepAlive), keepAlive: section.keepAlive, version10, status: 0, detail: "" };
  const coding = section.transferEncoding;
  if (section.contentLength === -2) return refused(400, "http1.codec_error", version10);
  if (coding !== undefined) {
    // RFC 9112 §6.1: both lengths present is a smuggling attempt, and chunked in HTTP/1.0 is faulty framing.
    if (version10 || (section.contentLength !== -1 && !options.allowChunkedLength)) return refused(400, "http1.codec_error", version10);
    if (coding !== "chunked") return refused(501, "http1.invalid_transfer_encoding");
    head.headers.remove("content-length");
    return { ...parsed, framing: "chunked" };
  }
  if (head.method === "CONNECT" || head.upgrade !== undefined) {
    // RFC 9110 §9.3.6: a CONNECT with content is not defined.
    if (section.contentLength > 0) return head.method === "CONNECT" ? refused(400, "http1.codec_error") : withLength(parsed, section);
    return { ...parsed, framing: "tunnel" };
  }
  if (section.contentLength >= 0) return withLength(parsed, section);
  return { ...parsed, framing: "none" };
}

function withLength(parsed: Omit<ParsedRequest, "framing">, section: FieldSection): ParsedRequest {
  if (section.contentLength === 0) return { ...parsed, framing: "none" };
  return { ...parsed, framing: "length", length: section.contentLength };
}

/** RFC 9112 §3.2: the four forms of a target. Returns false when it is none of them. */
function takeTarget(head: RequestHead, section: FieldSection, options: Http1ServerOptions): boolean {
  const target = head.path;
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
  if (absolute[1]?.toLowerCase() === "https" && !options.secure) return false;
  if (!options.allowAbsoluteUrl) return true;
  // RFC 9112 §3.2.2: the authority of the target wins over Host.
  head.authority = absolute[2] ?? "";
  section.host = head.authority;
  const path = absolute[3] ?? "";
  head.path = path.startsWith("/") ? path : `/${path}`;
  return head.authority !== "";
}
