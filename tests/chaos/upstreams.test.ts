import { setTimeout as delay } from "node:timers/promises";
import {
  answer,
  answers,
  response,
  type Script,
  type UpstreamConnection,
} from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "../parity/harness/area.ts";
import { cluster, type JsonObject } from "../parity/harness/config.ts";
import { closing, nobody, quickly } from "../parity/harness/retried.ts";
import { chaos } from "./observed.ts";

/** After the request, these bytes, and then what `end` does. */
const sends =
  (raw: string, end: (connection: UpstreamConnection) => void = () => undefined): Script =>
  async (connection) => {
    await connection.request();
    if (raw !== "") await connection.write(raw);
    end(connection);
  };
const fin = (connection: UpstreamConnection): void => {
  connection.end();
};
const reset = (connection: UpstreamConnection): void => {
  connection.reset();
};
const head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
const retry = (policy: JsonObject): JsonObject => ({ retry_policy: { ...quickly, ...policy } });

/** A byte at a time. */
const trickles =
  (raw: string, everyMs: number): Script =>
  async (connection) => {
    await connection.request();
    for (const byte of raw) {
      await connection.write(byte);
      await delay(everyMs);
    }
  };

const hangs: readonly ParityCase[] = [
  chaos({
    name: "accepts and never answers",
    upstream: sends(""),
    sees: "504 UT response_timeout",
  }),
  chaos({
    name: "stops in the middle of its head",
    upstream: sends("HTTP/1.1 200 OK\r\ncontent-le"),
    sees: "504 UT response_timeout",
  }),
  chaos({
    name: "stops in the middle of its body",
    upstream: sends(`${head}half`),
    action: { timeout: "1.5s" },
    sees: "cut 200 UT response_timeout",
  }),
  chaos({
    name: "never answers, a try may take 0.1 s and there are two more",
    upstream: sends(""),
    action: {
      timeout: "3s",
      ...retry({ retry_on: "5xx", num_retries: 2, per_try_timeout: "0.1s" }),
    },
    sees: "504 URX,UT upstream_per_try_timeout",
  }),
  chaos({
    name: "trickles a whole answer, a byte at a time",
    upstream: trickles(response(200, "ok"), 1),
    action: { timeout: "10s" },
    sees: "200 - via_upstream",
  }),
  chaos({
    name: "trickles too slowly for the route's timeout",
    upstream: trickles(response(200, "ok"), 50),
    sees: "504 UT response_timeout",
  }),
];

const breaks: readonly ParityCase[] = [
  chaos({
    name: "resets instead of answering",
    upstream: sends("", reset),
    sees: "503 UC upstream_reset_before_response_started{connection_termination}",
  }),
  chaos({
    name: "closes instead of answering",
    upstream: sends("", fin),
    sees: "503 UC upstream_reset_before_response_started{connection_termination}",
  }),
  chaos({
    name: "resets instead of answering, then answers",
    upstream: closing(1),
    action: retry({ retry_on: "reset" }),
    sees: "200 - via_upstream",
  }),
  chaos({
    name: "closes in the middle of its body",
    upstream: sends(`${head}half`, fin),
    sees: "cut 200 UPE upstream_reset_after_response_started{protocol_error}",
  }),
  chaos({
    name: "fails twice, then answers",
    upstream: answers(response(503), response(503), response(200, "ok")),
    action: retry({ retry_on: "5xx", num_retries: 2 }),
    sees: "200 - via_upstream",
  }),
  chaos({
    name: "is not there",
    upstream: answer(response(200)),
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: [{ lb_endpoints: [nobody] }] },
      }),
    ],
    sees: "503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
  }),
];

const lies: readonly ParityCase[] = [
  chaos({
    name: "sends less than its content-length and closes",
    upstream: sends("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", fin),
    sees: "cut 200 UPE upstream_reset_after_response_started{protocol_error}",
  }),
  chaos({
    name: "sends more than its content-length",
    upstream: sends("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokmore"),
    sees: "200 - via_upstream",
  }),
  chaos({
    name: "sends two lengths",
    upstream: sends("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
    sees: "502 UPE upstream_reset_before_response_started{protocol_error}",
  }),
  chaos({
    name: "sends a chunk that is none",
    upstream: sends("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot-hex\r\n"),
    sees: "cut 200 UPE upstream_reset_after_response_started{protocol_error}",
  }),
  chaos({
    name: "sends something else than HTTP",
    upstream: sends("SSH-2.0-OpenSSH_9.2\r\n"),
    sees: "502 UPE upstream_reset_before_response_started{protocol_error}",
  }),
  chaos({
    name: "sends a head without end",
    upstream: sends(`HTTP/1.1 200 OK\r\nx-long: ${"a".repeat(100_000)}`),
    sees: "502 UPE upstream_reset_before_response_started{protocol_error}",
  }),
];

parityArea("chaos", [...hangs, ...breaks, ...lies]);
