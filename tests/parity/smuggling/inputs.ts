/** One hostile or odd message and what each proxy does with it. */
export interface Input {
  readonly name: string;
  readonly bytes: string;
  /** What Envoy answers, in the words of `Outcome`; Heddle answers the same unless `heddle` says otherwise. */
  readonly answer: string;
  /** Heddle is stricter: its answer, and the heading in docs/reference/differences-from-envoy.md. */
  readonly heddle?: { readonly answer: string; readonly difference: string };
  /** The client half-closes behind the bytes, for messages that stay incomplete. */
  readonly half?: boolean;
  /** The listener takes HTTP/1.0. */
  readonly http10?: boolean;
}

const host = "host: host.test";
/** What a smuggler wants the upstream to see as a second request. */
const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n\r\n`;

function request(fields: readonly string[], body = "", line = "POST /first HTTP/1.1"): string {
  return [line, ...fields, "", body].join("\r\n");
}

const post = (fields: readonly string[], body: string) => request([host, ...fields], body);
const get = (...fields: readonly string[]) => request([host, ...fields], "", "GET /first HTTP/1.1");
const line = (text: string) => request([host], "", text);
const chunked = "5\r\nhello\r\n0\r\n\r\n";
const chunks = (body: string) => post(["transfer-encoding: chunked"], body);
const encoded = (value: string) => post([`transfer-encoding: ${value}`], chunked);
const length = (value: string) => post([`content-length: ${value}`], `hello${smuggled}`);

export const contentLength: readonly Input[] = [
  { name: "both lengths, content-length first", bytes: post(["content-length: 5", "transfer-encoding: chunked"], chunked), answer: "400" },
  { name: "both lengths, transfer-encoding first", bytes: post(["transfer-encoding: chunked", "content-length: 15"], chunked), answer: "400" },
  { name: "two equal content-lengths", bytes: post(["content-length: 5", "content-length: 5"], "hello"), answer: "400" },
  { name: "two different content-lengths", bytes: post(["content-length: 5", "content-length: 0"], `hello${smuggled}`), answer: "400" },
  { name: "a list of equal content-lengths", bytes: length("5, 5"), answer: "400" },
  { name: "a list of different content-lengths", bytes: length("5, 0"), answer: "400" },
  { name: "content-length with a plus", bytes: length("+5"), answer: "400" },
  { name: "content-length with a minus", bytes: length("-5"), answer: "400" },
  { name: "content-length in hexadecimal", bytes: length("0x5"), answer: "400" },
  { name: "content-length of two numbers", bytes: length("5 5"), answer: "400" },
  { name: "content-length with an exponent", bytes: length("5e0"), answer: "400" },
  { name: "content-length with a fraction", bytes: length("5.0"), answer: "400" },
  { name: "content-length with a suffix", bytes: length("5;"), answer: "400" },
  { name: "content-length with an underscore", bytes: length("0_5"), answer: "400" },
  { name: "an empty content-length", bytes: post(["content-length:"], smuggled), answer: "400" },
  { name: "content-length of 2^64", bytes: length("18446744073709551616"), answer: "400" },
  { name: "content-length of 2^64 + 5", bytes: length("18446744073709551621"), answer: "400" },
  { name: "content-length of forty digits", bytes: length("5".repeat(40)), answer: "400" },
  { name: "content-length with leading zeros", bytes: post(["content-length: 0005"], "hello"), answer: "200 200 /first /last" },
  { name: "content-length with a vertical tab", bytes: length("\x0b5"), answer: "400" },
  { name: "content-length with a NUL", bytes: length("5\0"), answer: "400" },
  { name: "content-length folded over two lines", bytes: length("\r\n 5"), answer: "200 200 200 /first /smuggled /last", heddle: { answer: "400", difference: "Folded header lines are refused" } },
  { name: "a space before the colon of content-length", bytes: post(["content-length : 5"], `hello${smuggled}`), answer: "400" },
  { name: "content-length nominated by connection", bytes: post(["connection: content-length", "content-length: 5"], "hello"), answer: "200 200 /first /last" },
  { name: "GET with a body", bytes: request([host, "content-length: 5"], "hello", "GET /first HTTP/1.1"), answer: "200 200 /first /last" },
];

export const transferEncoding: readonly Input[] = [
  { name: "transfer-encoding in capitals", bytes: encoded("CHUNKED"), answer: "200 200 /first /last" },
  { name: "transfer-encoding identity", bytes: encoded("identity"), answer: "501" },
  { name: "transfer-encoding identity with content-length", bytes: post(["transfer-encoding: identity", "content-length: 5"], "hello"), answer: "400" },
  { name: "transfer-encoding gzip", bytes: encoded("gzip"), answer: "501" },
  { name: "transfer-encoding gzip, chunked", bytes: encoded("gzip, chunked"), answer: "501" },
  { name: "transfer-encoding chunked, gzip", bytes: encoded("chunked, gzip"), answer: "501" },
  { name: "transfer-encoding chunked, chunked", bytes: encoded("chunked, chunked"), answer: "501" },
  { name: "transfer-encoding chunked, identity", bytes: encoded("chunked, identity"), answer: "501" },
  { name: "transfer-encoding chunked in two fields", bytes: post(["transfer-encoding: chunked", "transfer-encoding: chunked"], chunked), answer: "501" },
  { name: "transfer-encoding chunked and then an empty one", bytes: post(["transfer-encoding: chunked", "transfer-encoding:"], chunked), answer: "200 400 /first", heddle: { answer: "501", difference: "An empty Transfer-Encoding beside another is refused" } },
  { name: "transfer-encoding with a comma behind", bytes: encoded("chunked,"), answer: "501" },
  { name: "transfer-encoding with a comma in front", bytes: encoded(",chunked"), answer: "501" },
  { name: "transfer-encoding with a prefix", bytes: encoded("xchunked"), answer: "501" },
  { name: "transfer-encoding with a parameter", bytes: encoded("chunked;q=1"), answer: "501" },
  { name: "transfer-encoding in quotes", bytes: encoded('"chunked"'), answer: "501" },
  { name: "transfer-encoding with a vertical tab", bytes: encoded("\x0bchunked"), answer: "400" },
  { name: "transfer-encoding with a NUL", bytes: encoded("chunked\0"), answer: "400" },
  { name: "an empty transfer-encoding", bytes: post(["transfer-encoding:"], chunked), answer: "501" },
  { name: "transfer-encoding folded over two lines", bytes: encoded("\r\n chunked"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Folded header lines are refused" } },
  { name: "a space before the colon of transfer-encoding", bytes: post(["transfer-encoding : chunked"], chunked), answer: "400" },
  { name: "transfer-encoding nominated by connection", bytes: post(["connection: transfer-encoding", "transfer-encoding: chunked"], chunked), answer: "200 200 /first /last" },
  { name: "transfer_encoding with an underscore", bytes: post(["transfer_encoding: chunked", "content-length: 5"], "hello"), answer: "200 200 /first /last" },
  { name: "transfer-encoding in HTTP/1.0", bytes: request([host, "transfer-encoding: chunked", "connection: keep-alive"], chunked, "POST /first HTTP/1.0"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Transfer-Encoding in HTTP/1.0 is refused" }, http10: true },
  { name: "both lengths in HTTP/1.0", bytes: request([host, "transfer-encoding: chunked", "content-length: 5"], chunked, "POST /first HTTP/1.0"), answer: "400", http10: true },
  { name: "GET with a chunked body", bytes: request([host, "transfer-encoding: chunked"], chunked, "GET /first HTTP/1.1"), answer: "200 200 /first /last" },
];

export const chunkFraming: readonly Input[] = [
  { name: "chunk size that is no number", bytes: chunks(`G\r\nhello\r\n0\r\n\r\n${smuggled}`), answer: "400" },
  { name: "chunk size with 0x", bytes: chunks("0x5\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "chunk size with a minus", bytes: chunks("-5\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "chunk size with a plus", bytes: chunks("+5\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "chunk size after a space", bytes: chunks(" 5\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "chunk size before a space", bytes: chunks("5 \r\nhello\r\n0\r\n\r\n"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "A chunk size is hexadecimal digits only, at most 16" } },
  { name: "chunk size before a tab", bytes: chunks("5\t\r\nhello\r\n0\r\n\r\n"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "A chunk size is hexadecimal digits only, at most 16" } },
  { name: "chunk size over 2^64", bytes: chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "chunk size of 2^64 - 1", bytes: chunks("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), half: true, answer: "nothing", heddle: { answer: "400", difference: "A chunk size is hexadecimal digits only, at most 16" } },
  { name: "chunk size with a thousand zeros", bytes: chunks(`${"0".repeat(1000)}5\r\nhello\r\n0\r\n\r\n`), answer: "200 200 /first /last", heddle: { answer: "400", difference: "A chunk size is hexadecimal digits only, at most 16" } },
  { name: "an empty chunk size", bytes: chunks("\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "bare LF behind the chunk size", bytes: chunks("5\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "bare CR behind the chunk size", bytes: chunks("5\rhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "a chunk extension", bytes: chunks("5;name=value\r\nhello\r\n0\r\n\r\n"), answer: "200 200 /first /last" },
  { name: "a quoted chunk extension", bytes: chunks('5;name="a;b"\r\nhello\r\n0\r\n\r\n'), answer: "200 200 /first /last" },
  { name: "a chunk extension with bare LF", bytes: chunks("5;a\nb\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "a chunk extension with bare CR", bytes: chunks("5;a\rb\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "a chunk extension with a NUL", bytes: chunks("5;a\0b\r\nhello\r\n0\r\n\r\n"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Chunk extensions are checked and limited" } },
  { name: "a chunk extension of 100,000 bytes", bytes: chunks(`5;${"a".repeat(100_000)}\r\nhello\r\n0\r\n\r\n`), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Chunk extensions are checked and limited" } },
  { name: "chunk data longer than its size", bytes: chunks("5\r\nhelloXX0\r\n\r\n"), answer: "400" },
  { name: "junk between chunk data and CRLF", bytes: chunks("5\r\nhello junk\r\n0\r\n\r\n"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bytes after chunk data are refused" } },
  { name: "two junk bytes in place of CRLF", bytes: chunks("5\r\nhelloXX0\r\n\r\n"), answer: "400" },
  { name: "bare LF behind chunk data", bytes: chunks("5\r\nhello\n0\r\n\r\n"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bare LF is refused" } },
  { name: "bare LF behind the last chunk", bytes: chunks("5\r\nhello\r\n0\n\n"), answer: "400" },
  { name: "a trailer that sets content-length", bytes: chunks("5\r\nhello\r\n0\r\ncontent-length: 99\r\n\r\n"), answer: "200 200 /first /last" },
  { name: "a trailer that sets transfer-encoding", bytes: chunks("5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n"), answer: "200 200 /first /last" },
  { name: "a trailer without a colon", bytes: chunks("5\r\nhello\r\n0\r\nnothing\r\n\r\n"), answer: "400" },
  { name: "a trailer with a NUL", bytes: chunks("5\r\nhello\r\n0\r\nx: a\0b\r\n\r\n"), answer: "400" },
  { name: "a trailer of 100,000 bytes", bytes: chunks(`5\r\nhello\r\n0\r\nx: ${"a".repeat(100_000)}\r\n\r\n`), answer: "431" },
  { name: "a request behind the last chunk", bytes: chunks(`5\r\nhello\r\n0\r\n\r\n${smuggled}`), answer: "200 200 200 /first /smuggled /last" },
];

export const fieldSyntax: readonly Input[] = [
  { name: "a folded field", bytes: get("x-a: one", " two"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Folded header lines are refused" } },
  { name: "a first field that starts with a space", bytes: request([` ${host}`], "", "GET /first HTTP/1.1"), answer: "400" },
  { name: "a bare CR in a value", bytes: get("x-a: one\rtwo"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bare CR is refused" } },
  { name: "a bare CR that hides a field", bytes: post(["x-a: b\rtransfer-encoding: chunked", "content-length: 5"], "hello"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bare CR is refused" } },
  { name: "a bare LF that hides a field", bytes: post(["x-a: b\ntransfer-encoding: chunked"], chunked), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bare LF is refused" } },
  { name: "bare LF line ends", bytes: get("x-a: b").replaceAll("\r\n", "\n"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bare LF is refused" } },
  { name: "bare LF behind the request line", bytes: get().replace("\r\n", "\n"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bare LF is refused" } },
  { name: "bare CR line ends", bytes: `${get("x-a: b").replaceAll("\r\n", "\r")}\r\n\r\n`, answer: "400" },
  { name: "two CRs before an LF", bytes: get("x-a: b\r", "x-c: d"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bare CR is refused" } },
  { name: "a NUL in a value", bytes: get("x-a: one\0two"), answer: "400" },
  { name: "a NUL in a name", bytes: get("x\0a: one"), answer: "400" },
  { name: "a control character in a value", bytes: get("x-a: one\x01two"), answer: "400" },
  { name: "a DEL in a value", bytes: get("x-a: one\x7ftwo"), answer: "400" },
  { name: "a tab in a value", bytes: get("x-a: one\ttwo"), answer: "200 200 /first /last" },
  { name: "a high byte in a value", bytes: get("x-a: \xe9"), answer: "200 200 /first /last" },
  { name: "a high byte in a name", bytes: get("x-\xe9: a"), answer: "400" },
  { name: "a space in a name", bytes: get("x a: b"), answer: "400" },
  { name: "a space before the colon", bytes: get("x-a : b"), answer: "400" },
  { name: "a tab before the colon", bytes: get("x-a\t: b"), answer: "400" },
  { name: "brackets in a name", bytes: get("x[a]: b"), answer: "400" },
  { name: "an empty name", bytes: get(": b"), answer: "400" },
  { name: "a line without a colon", bytes: get("nothing"), answer: "400" },
  { name: "a pseudo header", bytes: get(":path: /smuggled"), answer: "400" },
  { name: "two equal Hosts", bytes: get(host), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Two Host fields are refused" } },
  { name: "two different Hosts", bytes: get("host: other.test"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Two Host fields are refused" } },
  { name: "no Host", bytes: request([], "", "GET /first HTTP/1.1"), answer: "400" },
  { name: "an empty Host", bytes: request(["host:"], "", "GET /first HTTP/1.1"), answer: "200 200 /first /last" },
  { name: "userinfo in Host", bytes: request(["host: user@host.test"], "", "GET /first HTTP/1.1"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Userinfo in the authority is refused" } },
  { name: "a space in Host", bytes: request(["host: host .test"], "", "GET /first HTTP/1.1"), answer: "400" },
  { name: "a slash in Host", bytes: request(["host: host.test/admin"], "", "GET /first HTTP/1.1"), answer: "400" },
  { name: "a comma in Host", bytes: request(["host: host.test,other.test"], "", "GET /first HTTP/1.1"), answer: "200 200 /first /last" },
  { name: "a fragment in Host", bytes: request(["host: host.test#a"], "", "GET /first HTTP/1.1"), answer: "400" },
  { name: "Host nominated by connection", bytes: get("connection: host"), answer: "400" },
  { name: "an unknown expectation", bytes: post(["expect: 200-ok", "content-length: 5"], "hello"), answer: "200 200 /first /last" },
];

export const requestLine: readonly Input[] = [
  { name: "a space in the target", bytes: line("GET /first /smuggled HTTP/1.1"), answer: "400" },
  { name: "a tab in the target", bytes: line("GET /first\t HTTP/1.1"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "The request line has exactly two spaces" } },
  { name: "a NUL in the target", bytes: line("GET /first\0 HTTP/1.1"), answer: "400" },
  { name: "a control character in the target", bytes: line("GET /first\x01 HTTP/1.1"), answer: "400" },
  { name: "a high byte in the target", bytes: line("GET /first\xe9 HTTP/1.1"), answer: "400" },
  { name: "a fragment in the target", bytes: line("GET /first#fragment HTTP/1.1"), answer: "400" },
  { name: "quotes and brackets in the target", bytes: line('GET /first"<>[]{}|^` HTTP/1.1'), answer: '200 200 /first"<>[]{}|^` /last' },
  { name: "a target without a slash", bytes: line("GET first HTTP/1.1"), answer: "400" },
  { name: "a target of a query only", bytes: line("GET ?first HTTP/1.1"), answer: "400" },
  { name: "the asterisk with GET", bytes: line("GET * HTTP/1.1"), answer: "400" },
  { name: "the asterisk with OPTIONS", bytes: line("OPTIONS * HTTP/1.1"), answer: "404 200 /last" },
  { name: "two spaces before the target", bytes: line("GET  /first HTTP/1.1"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "The request line has exactly two spaces" } },
  { name: "two spaces before the version", bytes: line("GET /first  HTTP/1.1"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "The request line has exactly two spaces" } },
  { name: "a space behind the version", bytes: line("GET /first HTTP/1.1 "), answer: "200 200 /first /last", heddle: { answer: "400", difference: "The request line has exactly two spaces" } },
  { name: "a tab before the target", bytes: line("GET\t/first HTTP/1.1"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "The request line has exactly two spaces" } },
  { name: "a space before the method", bytes: line(" GET /first HTTP/1.1"), answer: "400" },
  { name: "an empty line before the request", bytes: `\r\n${get()}`, answer: "200 200 /first /last" },
  { name: "many empty lines before the request", bytes: `${"\r\n".repeat(50)}${get()}`, answer: "200 200 /first /last" },
  { name: "a bare LF before the request", bytes: `\n${get()}`, answer: "200 200 /first /last", heddle: { answer: "400", difference: "Bare LF is refused" } },
  { name: "a method in small letters", bytes: line("get /first HTTP/1.1"), answer: "400" },
  { name: "a method that nobody knows", bytes: line("FIRST /first HTTP/1.1"), answer: "400" },
  { name: "a method with a brace", bytes: line("GE{T /first HTTP/1.1"), answer: "400" },
  { name: "no version", bytes: "GET /first\r\n\r\n", answer: "426" },
  { name: "version 1.2", bytes: line("GET /first HTTP/1.2"), answer: "426" },
  { name: "version 2.0", bytes: line("GET /first HTTP/2.0"), answer: "426" },
  { name: "version 0.9", bytes: line("GET /first HTTP/0.9"), answer: "426" },
  { name: "version 1.11", bytes: line("GET /first HTTP/1.11"), answer: "400" },
  { name: "version in small letters", bytes: line("GET /first http/1.1"), answer: "400" },
  { name: "another protocol", bytes: line("GET /first ICE/1.0"), answer: "400" },
  { name: "absolute-form that differs from Host", bytes: line("GET http://other.test/first HTTP/1.1"), answer: "200 200 /first /last" },
  { name: "absolute-form with userinfo", bytes: line("GET http://user@host.test/first HTTP/1.1"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "Userinfo in the authority is refused" } },
  { name: "absolute-form with https on plaintext", bytes: line("GET https://host.test/first HTTP/1.1"), answer: "200 200 /first /last", heddle: { answer: "400", difference: "An https target on a plaintext connection is refused" } },
  { name: "absolute-form with an unknown scheme", bytes: line("GET ftp://host.test/first HTTP/1.1"), answer: "400" },
  { name: "absolute-form without a host", bytes: line("GET http:///first HTTP/1.1"), answer: "400" },
  { name: "authority-form with GET", bytes: line("GET host.test:80 HTTP/1.1"), answer: "400" },
  { name: "CONNECT that is not enabled, with a request behind", bytes: `CONNECT host.test:80 HTTP/1.1\r\n${host}\r\n\r\n${smuggled}`, answer: "404" },
  { name: "the HTTP/2 preface to an HTTP/1 codec", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", answer: "400" },
  { name: "a TLS hello to a plaintext listener", bytes: "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", answer: "400" },
];
