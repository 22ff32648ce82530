import { type Input, post, smuggled } from "./input.ts";

const chunks = (body: string) => post(["transfer-encoding: chunked"], body);

export const chunkFraming: readonly Input[] = [
  {
    name: "chunk size that is no number",
    bytes: chunks(`G\r\nhello\r\n0\r\n\r\n${smuggled}`),
    answer: "400",
  },
  { name: "chunk size with 0x", bytes: chunks("0x5\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "chunk size with a minus", bytes: chunks("-5\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "chunk size with a plus", bytes: chunks("+5\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "chunk size after a space", bytes: chunks(" 5\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  {
    name: "chunk size before a space",
    bytes: chunks("5 \r\nhello\r\n0\r\n\r\n"),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "A chunk size is hexadecimal digits only, at most 16" },
  },
  {
    name: "chunk size before a tab",
    bytes: chunks("5\t\r\nhello\r\n0\r\n\r\n"),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "A chunk size is hexadecimal digits only, at most 16" },
  },
  {
    name: "chunk size over 2^64",
    bytes: chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"),
    answer: "400",
  },
  {
    name: "chunk size of 2^64 - 1",
    bytes: chunks("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    half: true,
    answer: "nothing",
    heddle: { answer: "400", difference: "A chunk size is hexadecimal digits only, at most 16" },
  },
  {
    name: "chunk size with a thousand zeros",
    bytes: chunks(`${"0".repeat(1000)}5\r\nhello\r\n0\r\n\r\n`),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "A chunk size is hexadecimal digits only, at most 16" },
  },
  { name: "an empty chunk size", bytes: chunks("\r\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "bare LF behind the chunk size", bytes: chunks("5\nhello\r\n0\r\n\r\n"), answer: "400" },
  { name: "bare CR behind the chunk size", bytes: chunks("5\rhello\r\n0\r\n\r\n"), answer: "400" },
  {
    name: "a chunk extension",
    bytes: chunks("5;name=value\r\nhello\r\n0\r\n\r\n"),
    answer: "200 200 /first /last",
  },
  {
    name: "a quoted chunk extension",
    bytes: chunks('5;name="a;b"\r\nhello\r\n0\r\n\r\n'),
    answer: "200 200 /first /last",
  },
  {
    name: "a chunk extension with bare LF",
    bytes: chunks("5;a\nb\r\nhello\r\n0\r\n\r\n"),
    answer: "400",
  },
  {
    name: "a chunk extension with bare CR",
    bytes: chunks("5;a\rb\r\nhello\r\n0\r\n\r\n"),
    answer: "400",
  },
  {
    name: "a chunk extension with a NUL",
    bytes: chunks("5;a\0b\r\nhello\r\n0\r\n\r\n"),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "Chunk extensions are checked and limited" },
  },
  {
    name: "a chunk extension of 100,000 bytes",
    bytes: chunks(`5;${"a".repeat(100_000)}\r\nhello\r\n0\r\n\r\n`),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "Chunk extensions are checked and limited" },
  },
  {
    name: "chunk data longer than its size",
    bytes: chunks("5\r\nhelloXX0\r\n\r\n"),
    answer: "400",
  },
  {
    name: "junk between chunk data and CRLF",
    bytes: chunks("5\r\nhello junk\r\n0\r\n\r\n"),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "Bytes after chunk data are refused" },
  },
  {
    name: "two junk bytes in place of CRLF",
    bytes: chunks("5\r\nhelloXX0\r\n\r\n"),
    answer: "400",
  },
  {
    name: "bare LF behind chunk data",
    bytes: chunks("5\r\nhello\n0\r\n\r\n"),
    answer: "200 200 /first /last",
    heddle: { answer: "400", difference: "Bare LF is refused" },
  },
  { name: "bare LF behind the last chunk", bytes: chunks("5\r\nhello\r\n0\n\n"), answer: "400" },
  {
    name: "a trailer that sets content-length",
    bytes: chunks("5\r\nhello\r\n0\r\ncontent-length: 99\r\n\r\n"),
    answer: "200 200 /first /last",
  },
  {
    name: "a trailer that sets transfer-encoding",
    bytes: chunks("5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n"),
    answer: "200 200 /first /last",
  },
  {
    name: "a trailer without a colon",
    bytes: chunks("5\r\nhello\r\n0\r\nnothing\r\n\r\n"),
    answer: "400",
  },
  {
    name: "a trailer with a NUL",
    bytes: chunks("5\r\nhello\r\n0\r\nx: a\0b\r\n\r\n"),
    answer: "400",
  },
  {
    name: "a trailer of 100,000 bytes",
    bytes: chunks(`5\r\nhello\r\n0\r\nx: ${"a".repeat(100_000)}\r\n\r\n`),
    answer: "431",
  },
  {
    name: "a request behind the last chunk",
    bytes: chunks(`5\r\nhello\r\n0\r\n\r\n${smuggled}`),
    answer: "200 200 200 /first /smuggled /last",
  },
];
