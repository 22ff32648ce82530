import { chunked, host, type Input, post, request, smuggled } from "./input.ts";

const length = (value: string) => post([`content-length: ${value}`], `hello${smuggled}`);

export const contentLength: readonly Input[] = [
  {
    name: "both lengths, content-length first",
    bytes: post(["content-length: 5", "transfer-encoding: chunked"], chunked),
    answer: "400",
  },
  {
    name: "both lengths, transfer-encoding first",
    bytes: post(["transfer-encoding: chunked", "content-length: 15"], chunked),
    answer: "400",
  },
  {
    name: "two equal content-lengths",
    bytes: post(["content-length: 5", "content-length: 5"], "hello"),
    answer: "400",
  },
  {
    name: "two different content-lengths",
    bytes: post(["content-length: 5", "content-length: 0"], `hello${smuggled}`),
    answer: "400",
  },
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
  {
    name: "content-length with leading zeros",
    bytes: post(["content-length: 0005"], "hello"),
    answer: "200 200 /first /last",
  },
  { name: "content-length with a vertical tab", bytes: length("\x0b5"), answer: "400" },
  { name: "content-length with a NUL", bytes: length("5\0"), answer: "400" },
  {
    name: "content-length folded over two lines",
    bytes: length("\r\n 5"),
    answer: "200 200 200 /first /smuggled /last",
    heddle: { answer: "400", difference: "Folded header lines are refused" },
  },
  {
    name: "a space before the colon of content-length",
    bytes: post(["content-length : 5"], `hello${smuggled}`),
    answer: "400",
  },
  {
    name: "content-length nominated by connection",
    bytes: post(["connection: content-length", "content-length: 5"], "hello"),
    answer: "200 200 /first /last",
  },
  {
    name: "GET with a body",
    bytes: request([host, "content-length: 5"], "hello", "GET /first HTTP/1.1"),
    answer: "200 200 /first /last",
  },
];
