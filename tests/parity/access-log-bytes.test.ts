import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, http, route } from "./harness/config.ts";

const meters = [
  "%DOWNSTREAM_HEADER_BYTES_RECEIVED%",
  "%DOWNSTREAM_WIRE_BYTES_RECEIVED%",
  "%DOWNSTREAM_HEADER_BYTES_SENT%",
  "%DOWNSTREAM_WIRE_BYTES_SENT%",
  "%UPSTREAM_HEADER_BYTES_SENT%",
  "%UPSTREAM_WIRE_BYTES_SENT%",
  "%UPSTREAM_HEADER_BYTES_RECEIVED%",
  "%UPSTREAM_WIRE_BYTES_RECEIVED%",
].join(" ");

const head = "POST /a HTTP/1.1\r\nhost: host.test\r\ncontent-length: 5\r\n\r\n";
const chunkedHead = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
const chunks = "3\r\nabc\r\n0\r\n\r\n";

const linesOf = (raw: string): string[] => raw.slice(0, raw.indexOf("\r\n\r\n")).split("\r\n");

/** Envoy's count of a head that it sends: its fields with their line ends. And all of the message. */
const sent = (raw: string): readonly [number, number] => {
  const [, ...fields] = linesOf(raw);
  return [fields.reduce((sum, field) => sum + field.length + 2, 0), raw.length];
};

/** Of a head that it receives each field is one less. */
const received = (raw: string): readonly [number, number] => {
  const [fields, whole] = sent(raw);
  return [fields - (linesOf(raw).length - 1), whole];
};

function counted(name: string, request: string, answered: string): ParityCase {
  return {
    name,
    config: http({ logFormat: meters }),
    upstream: answer(answered),
    run: async (t) => {
      const got = await t.send(request);
      const forwarded = sent(t.upstream().received);
      const expected = [
        ...received(request),
        ...sent(got.raw),
        ...forwarded,
        ...received(answered),
      ];
      assert.deepEqual((await t.logLine()).split(" ").map(Number), expected);
    },
  };
}

const cases: readonly ParityCase[] = [
  counted("lengths", `${head}hello`, response(200, "answer")),
  counted("a head only", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", response(204)),
  counted(
    "chunks",
    chunkedHead + chunks,
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks}`,
  ),
  {
    name: "an answer of the proxy's own",
    config: http({ logFormat: meters, routes: [route({ prefix: "/" }, direct("ok"))] }),
    run: async (t) => {
      const request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
      const got = await t.send(request);
      const expected = [...received(request), ...sent(got.raw), 0, 0, 0, 0];
      assert.deepEqual((await t.logLine()).split(" ").map(Number), expected);
    },
  },
];

parityArea("access-log-bytes", cases);
