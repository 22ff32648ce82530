import { ResponseHead } from "../message.ts";
import type { Http1ClientOptions } from "./client.ts";
import {
  FieldSection,
  hasForbiddenByte,
  parseFields,
  relax,
  removeNominated,
  transferCoding,
} from "./fields.ts";

/** The outcome of reading one response head; `head` undefined: it breaks the protocol. */
export interface ParsedResponse {
  readonly head: ResponseHead | undefined;
  readonly framing: "none" | "length" | "chunked" | "until-close" | "tunnel";
  readonly length: number;
  readonly close: boolean;
  readonly detail: string;
  /** As of a request. */
  readonly fieldBytes: number;
}

type Parsed = { -readonly [K in keyof ParsedResponse]: ParsedResponse[K] };

const broken: ParsedResponse = {
  head: undefined,
  framing: "none",
  length: 0,
  close: true,
  detail: "http1.codec_error",
  fieldBytes: 0,
};
const statusLinePattern = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?$/;

/** `text` up to `end` is a head without its last empty line; `method` is the request's. */
export function parseResponse(
  text: string,
  end: number,
  method: string,
  tunnelAsked: boolean,
  options: Http1ClientOptions,
): ParsedResponse {
  const lenient = options.lenient;
  const source = lenient === undefined ? text.slice(0, end) : relax(text.slice(0, end), lenient);
  const found = source.indexOf("\r\n");
  const lineEnd = found === -1 ? source.length : found;
  const status = readStatus(source, lineEnd);
  if (status === 0 || hasForbiddenByte(source)) return broken;
  const section = new FieldSection();
  const problem = parseFields(source, lineEnd + 2, source.length, options.fieldsMax, section);
  if (problem !== undefined)
    return problem === "syntax" ? broken : { ...broken, detail: "http1.too_many_headers" };
  removeNominated(section);
  const head = new ResponseHead(status, section.headers);
  head.version = source.charCodeAt(7) === 0x30 ? 10 : 11;
  const close = section.close || (head.version === 10 && !section.keepAlive);
  const fieldBytes = source.length - lineEnd - section.fieldCount;
  const parsed: Parsed = { head, framing: "none", length: 0, close, detail: "", fieldBytes };
  return frame(parsed, head, section, { method, tunnelAsked, options });
}

function readStatus(source: string, lineEnd: number): number {
  // The usual line without a regular expression: "HTTP/1.1 200 OK".
  if (source.startsWith("HTTP/1.1 ") && (lineEnd === 12 || source.charCodeAt(12) === 0x20)) {
    const status =
      (source.charCodeAt(9) - 48) * 100 +
      (source.charCodeAt(10) - 48) * 10 +
      source.charCodeAt(11) -
      48;
    if (isDigit(source, 9) && isDigit(source, 10) && isDigit(source, 11) && status >= 100)
      return status;
  }
  const match = statusLinePattern.exec(source.slice(0, lineEnd));
  return match === null ? 0 : Number(match[2]);
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

interface Request {
  readonly method: string;
  readonly tunnelAsked: boolean;
  readonly options: Http1ClientOptions;
}

/** RFC 9112 §6.3. */
function frame(
  parsed: Parsed,
  head: ResponseHead,
  section: FieldSection,
  request: Request,
): ParsedResponse {
  const { status } = head;
  if (status === 101) {
    // A switch nobody asked for.
    if (!request.tunnelAsked) return broken;
    if (section.upgrade !== undefined) {
      head.headers.add("connection", "Upgrade");
      head.headers.add("upgrade", section.upgrade);
    }
    parsed.framing = "tunnel";
    return parsed;
  }
  if (section.contentLength === -2) return broken;
  if (request.method === "CONNECT" && status >= 200 && status < 300) {
    parsed.framing = "tunnel";
    return parsed;
  }
  if (status < 200) return parsed;
  // RFC 9110 §15.3.5 and RFC 9112 §6.3: a 204 has no content, so lengths in it are a lie.
  if (status === 204)
    return section.contentLength > 0 || section.transferEncoding !== undefined ? broken : parsed;
  const bodiless = request.method === "HEAD" || status === 304;
  if (section.transferEncoding !== undefined)
    return frameCoded(parsed, head, section, { bodiless, options: request.options });
  if (bodiless || section.contentLength === 0) return parsed;
  parsed.framing = section.contentLength > 0 ? "length" : "until-close";
  if (section.contentLength > 0) parsed.length = section.contentLength;
  return parsed;
}

function frameCoded(
  parsed: Parsed,
  head: ResponseHead,
  section: FieldSection,
  { bodiless, options }: { readonly bodiless: boolean; readonly options: Http1ClientOptions },
): ParsedResponse {
  if (section.contentLength !== -1 && !options.allowChunkedLength) return broken;
  if (transferCoding(section, options.lenient) !== "chunked") return broken;
  // RFC 9112 §6.1: framing that HTTP/1.0 does not know is faulty.
  if (head.version === 10 && options.lenient?.http10TransferEncoding !== true) return broken;
  head.headers.remove("content-length");
  if (!bodiless) parsed.framing = "chunked";
  return parsed;
}
