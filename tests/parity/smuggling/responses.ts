/** A response of the upstream to the first request, and what became of it. */
export interface ResponseInput {
  readonly name: string;
  readonly bytes: string;
  /** The status and framed body that the client got, or `cut`; then whether the upstream connection was used again. */
  readonly answer: string;
  readonly heddle?: { readonly answer: string; readonly difference: string };
}

const reply = (fields: readonly string[], body = "", statusLine = "HTTP/1.1 200 OK") =>
  [statusLine, ...fields, "", body].join("\r\n");
const chunked = "2\r\nok\r\n0\r\n\r\n";
const smuggled = reply(["content-length: 4"], "evil");
const withLength = (...fields: readonly string[]) => reply([...fields, "content-length: 2"], "ok");
const line = (text: string) => reply(["content-length: 2"], "ok", text);
const chunks = (body: string) => reply(["transfer-encoding: chunked"], body);

export const responses: readonly ResponseInput[] = [
  {
    name: "response: both lengths",
    bytes: reply(["content-length: 2", "transfer-encoding: chunked"], chunked),
    answer: "502 - new",
  },
  {
    name: "response: two equal content-lengths",
    bytes: withLength("content-length: 2"),
    answer: "502 - new",
  },
  {
    name: "response: two different content-lengths",
    bytes: withLength("content-length: 9"),
    answer: "502 - new",
  },
  {
    name: "response: a list of content-lengths",
    bytes: reply(["content-length: 2, 2"], "ok"),
    answer: "502 - new",
  },
  {
    name: "response: content-length with a plus",
    bytes: reply(["content-length: +2"], "ok"),
    answer: "502 - new",
  },
  {
    name: "response: content-length with a minus",
    bytes: reply(["content-length: -2"], "ok"),
    answer: "502 - new",
  },
  {
    name: "response: content-length of 2^64",
    bytes: reply(["content-length: 18446744073709551616"], "ok"),
    answer: "502 - new",
  },
  {
    name: "response: an empty content-length",
    bytes: reply(["content-length:"], "ok"),
    answer: "502 - new",
  },
  {
    name: "response: transfer-encoding gzip",
    bytes: reply(["transfer-encoding: gzip"], chunked),
    answer: "502 - new",
  },
  {
    name: "response: transfer-encoding chunked twice",
    bytes: reply(["transfer-encoding: chunked", "transfer-encoding: chunked"], chunked),
    answer: "502 - new",
  },
  {
    name: "response: transfer-encoding identity",
    bytes: reply(["transfer-encoding: identity", "content-length: 2"], "ok"),
    answer: "502 - new",
  },
  {
    name: "response: transfer-encoding to an HTTP/1.0 response",
    bytes: reply(["transfer-encoding: chunked"], chunked, "HTTP/1.0 200 OK"),
    answer: "200 ok new",
    heddle: { answer: "502 - new", difference: "Transfer-Encoding in HTTP/1.0 is refused" },
  },
  {
    name: "response: chunk size that is no number",
    bytes: chunks("x\r\nok\r\n0\r\n\r\n"),
    answer: "cut new",
  },
  {
    name: "response: chunk size over 2^64",
    bytes: chunks("10000000000000002\r\nok\r\n0\r\n\r\n"),
    answer: "cut new",
  },
  {
    name: "response: chunk data longer than its size",
    bytes: chunks("2\r\nokXX\r\n0\r\n\r\n"),
    answer: "200 ok kept",
    heddle: { answer: "cut new", difference: "Bytes after chunk data are refused" },
  },
  {
    name: "response: bare LF behind the chunk size",
    bytes: chunks("2\nok\r\n0\r\n\r\n"),
    answer: "cut new",
  },
  {
    name: "response: a second response behind the first",
    bytes: withLength() + smuggled,
    answer: "200 ok new",
  },
  {
    name: "response: 204 with a body",
    bytes: `HTTP/1.1 204 No Content\r\n\r\n${smuggled}`,
    answer: "204 - new",
  },
  {
    name: "response: 304 with a body",
    bytes: `HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nevil`,
    answer: "304 - new",
  },
  {
    name: "response: 204 with transfer-encoding",
    bytes: reply(["transfer-encoding: chunked"], chunked, "HTTP/1.1 204 No Content"),
    answer: "502 - new",
  },
  {
    name: "response: 101 that nobody asked for",
    bytes: `HTTP/1.1 101 Switching Protocols\r\n\r\n${smuggled}`,
    answer: "101 - new",
    heddle: { answer: "502 - new", difference: "A 101 that was not asked for is refused" },
  },
  {
    name: "response: a folded field",
    bytes: withLength("x-a: one", " two"),
    answer: "200 ok kept",
    heddle: { answer: "502 - new", difference: "Folded header lines are refused" },
  },
  {
    name: "response: a bare CR in a value",
    bytes: withLength("x-a: one\rtwo"),
    answer: "200 ok kept",
    heddle: { answer: "502 - new", difference: "Bare CR is refused" },
  },
  {
    name: "response: bare LF line ends",
    bytes: withLength("x-a: one").replaceAll("\r\n", "\n"),
    answer: "200 ok kept",
    heddle: { answer: "502 - new", difference: "Bare LF is refused" },
  },
  { name: "response: a NUL in a value", bytes: withLength("x-a: one\0two"), answer: "502 - new" },
  {
    name: "response: a control character in a value",
    bytes: withLength("x-a: one\x01two"),
    answer: "502 - new",
  },
  {
    name: "response: a high byte in a value",
    bytes: withLength("x-a: \xe9"),
    answer: "200 ok kept",
  },
  { name: "response: a line without a colon", bytes: withLength("nothing"), answer: "502 - new" },
  { name: "response: a space before the colon", bytes: withLength("x-a : b"), answer: "502 - new" },
  { name: "response: an empty name", bytes: withLength(": b"), answer: "502 - new" },
  { name: "response: no reason phrase", bytes: line("HTTP/1.1 200"), answer: "200 ok kept" },
  { name: "response: an empty reason phrase", bytes: line("HTTP/1.1 200 "), answer: "200 ok kept" },
  {
    name: "response: a status of four digits",
    bytes: line("HTTP/1.1 2000 OK"),
    answer: "2000 - kept",
    heddle: { answer: "502 - new", difference: "A status has three digits" },
  },
  { name: "response: a status of two digits", bytes: line("HTTP/1.1 20 OK"), answer: "502 - new" },
  {
    name: "response: a status that is no number",
    bytes: line("HTTP/1.1 abc OK"),
    answer: "502 - new",
  },
  { name: "response: status 600", bytes: line("HTTP/1.1 600 Odd"), answer: "600 - kept" },
  { name: "response: status 099", bytes: line("HTTP/1.1 099 Odd"), answer: "502 - new" },
  {
    name: "response: version 2.0",
    bytes: line("HTTP/2.0 200 OK"),
    answer: "200 ok new",
    heddle: { answer: "502 - new", difference: "A response is of HTTP/1.0 or HTTP/1.1" },
  },
  {
    name: "response: version in small letters",
    bytes: line("http/1.1 200 OK"),
    answer: "502 - new",
  },
  { name: "response: an empty line first", bytes: `\r\n${withLength()}`, answer: "502 - new" },
];
