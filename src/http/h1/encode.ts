import type { HeaderList } from "../headers.ts";
import type { RequestHead, ResponseHead } from "../message.ts";

/** How field names are spelt on the wire: as they are (lower case), or "Proper-Case". */
export type NameCase = "lower" | "proper";

/** A body's framing as the encoder chose it. */
export type Framing = "none" | "length" | "chunked" | "until-close" | "tunnel";

const reasons: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  203: "Non-Authoritative Information",
  204: "No Content",
  205: "Reset Content",
  206: "Partial Content",
  207: "Multi-Status",
  208: "Already Reported",
  226: "IM Used",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  305: "Use Proxy",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Payload Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Entity",
  423: "Locked",
  424: "Failed Dependency",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  506: "Variant Also Negotiates",
  507: "Insufficient Storage",
  508: "Loop Detected",
  510: "Not Extended",
  511: "Network Authentication Required",
};

const startLines11 = new Map<number, string>();
const startLines10 = new Map<number, string>();
for (let status = 100; status < 600; status++) {
  const reason = reasons[status] ?? "Unknown";
  startLines11.set(status, `HTTP/1.1 ${status} ${reason}\r\n`);
  startLines10.set(status, `HTTP/1.0 ${status} ${reason}\r\n`);
}

export function reasonPhrase(status: number): string {
  return reasons[status] ?? "Unknown";
}

export function statusLine(status: number, toVersion10: boolean): string {
  const line = (toVersion10 ? startLines10 : startLines11).get(status);
  return line ?? `HTTP/1.${toVersion10 ? 0 : 1} ${status} Unknown\r\n`;
}

/** Append every field to `text`. String concatenation: V8 keeps ropes and the socket flattens them once. */
export function appendFields(text: string, headers: HeaderList, nameCase: NameCase): string {
  const list = headers.list;
  let out = text;
  if (nameCase === "lower") {
    for (let i = 0; i < list.length; i += 2) out += `${list[i]}: ${list[i + 1]}\r\n`;
  } else {
    for (let i = 0; i < list.length; i += 2)
      out += `${properCase(list[i] ?? "")}: ${list[i + 1]}\r\n`;
  }
  return out;
}

const properNames = new Map<string, string>();

/** Envoy's proper_case_words: the first character and each one behind a character that is no letter or digit. */
export function properCase(name: string): string {
  const known = properNames.get(name);
  if (known !== undefined) return known;
  const proper = name.replace(
    /(^|[^a-z0-9])([a-z])/g,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
  if (properNames.size < 1024) properNames.set(name, proper);
  return proper;
}

/** How a request's body goes out. `knownEmpty`: the head ends the message. */
export function requestFraming(head: RequestHead, end: boolean): Framing {
  if (head.upgrade !== undefined || head.method === "CONNECT") return "tunnel";
  if (head.headers.has("content-length")) return "length";
  return end ? "none" : "chunked";
}

export function responseFraming(
  head: ResponseHead,
  end: boolean,
  toHead: boolean,
  toVersion10: boolean,
): Framing {
  if (head.status < 200 || head.status === 204 || head.status === 304) return "none";
  if (head.headers.has("content-length")) return toHead ? "none" : "length";
  if (toHead || end) return "none";
  return toVersion10 ? "until-close" : "chunked";
}
