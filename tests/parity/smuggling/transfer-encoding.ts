import { chunked, host, type Input, post, request } from "./input.ts";

const encoded = (value: string) => post([`transfer-encoding: ${value}`], chunked);

export const transferEncoding: readonly Input[] = [
  {
    name: "transfer-encoding in capitals",
    bytes: encoded("CHUNKED"),
    answer: "200 200 /first /last",
  },
  { name: "transfer-encoding identity", bytes: encoded("identity"), answer: "501" },
  {
    name: "transfer-encoding identity with content-length",
    bytes: post(["transfer-encoding: identity", "content-length: 5"], "hello"),
    answer: "400",
  },
  { name: "transfer-encoding gzip", bytes: encoded("gzip"), answer: "501" },
  { name: "transfer-encoding gzip, chunked", bytes: encoded("gzip, chunked"), answer: "501" },
  { name: "transfer-encoding chunked, gzip", bytes: encoded("chunked, gzip"), answer: "501" },
  { name: "transfer-encoding chunked, chunked", bytes: encoded("chunked, chunked"), answer: "501" },
  {
    name: "transfer-encoding chunked, identity",
    bytes: encoded("chunked, identity"),
    answer: "501",
  },
  {
    name: "transfer-encoding chunked in two fields",
    bytes: post(["transfer-encoding: chunked", "transfer-encoding: chunked"], chunked),
    answer: "501",
  },
  {
    name: "transfer-encoding chunked and then an empty one",
    bytes: post(["transfer-encoding: chunked", "transfer-encoding:"], chunked),
    answer: "200 400 /first",
    heddle: { answer: "501", difference: "An empty Transfer-Encoding beside another is refused" },
  },
  { name: "transfer-encoding with a comma behind", bytes: encoded("chunked,"), answer: "501" },
  { name: "transfer-encoding with a comma in front", bytes: encoded(",chunked"), answer: "501" },
  { name: "transfer-encoding with a prefix", bytes: encoded("xchunked"), answer: "501" },
  { name: "transfer-encoding with a parameter", bytes: encoded("chunked;q=1"), answer: "501" },
  { name: "transfer-encoding in quotes", bytes: encoded('"chunked"'), answer: "501" },
  { name: "transfer-encoding with a vertical tab", bytes: encoded("\x0bchunked"), answer: "400" },
  { name: "transfer-encoding with a NUL", bytes: encoded("chunked\0"), answer: "400" },
  {
    name: "an empty transfer-encoding",
    bytes: post(["transfer-encoding:"], chunked),
    answer: "501",
  },
  {
    name: "transfer-encoding folded over two lines",
    bytes: encoded("\r\n chunked"),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "Folded header lines are refused" },
  },
  {
    name: "a space before the colon of transfer-encoding",
    bytes: post(["transfer-encoding : chunked"], chunked),
    answer: "400",
  },
  {
    name: "transfer-encoding nominated by connection",
    bytes: post(["connection: transfer-encoding", "transfer-encoding: chunked"], chunked),
    answer: "200 200 /first /last",
  },
  {
    name: "transfer_encoding with an underscore",
    bytes: post(["transfer_encoding: chunked", "content-length: 5"], "hello"),
    answer: "200 200 /first /last",
  },
  {
    name: "transfer-encoding in HTTP/1.0",
    bytes: request(
      [host, "transfer-encoding: chunked", "connection: keep-alive"],
      chunked,
      "POST /first HTTP/1.0",
    ),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "Transfer-Encoding in HTTP/1.0 is refused" },
    http10: true,
  },
  {
    name: "both lengths in HTTP/1.0",
    bytes: request(
      [host, "transfer-encoding: chunked", "content-length: 5"],
      chunked,
      "POST /first HTTP/1.0",
    ),
    answer: "400",
    http10: true,
  },
  {
    name: "GET with a chunked body",
    bytes: request([host, "transfer-encoding: chunked"], chunked, "GET /first HTTP/1.1"),
    answer: "200 200 /first /last",
  },
];
