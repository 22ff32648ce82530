import assert from "node:assert/strict";
import { answer, answers, response, type Script } from "../../testkit/fake-upstream.ts";
import { answerFrames } from "../../testkit/http2/frame-peer.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  direct,
  extension,
  type HttpOptions,
  http,
  type JsonObject,
  route,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { grpcRequest, message } from "./harness/grpc.ts";
import { askFrames, http2, http2Cluster, streamText } from "./harness/http2.ts";
import { type Seen, scene } from "./harness/scene.ts";

const admission = (config: JsonObject = {}): JsonObject =>
  extension(
    "envoy.filters.http.admission_control",
    "envoy.extensions.filters.http.admission_control.v3.AdmissionControl",
    { success_criteria: {}, ...config },
  );
const percent = (value: number): JsonObject => ({
  default_value: { value },
  runtime_key: "none",
});
const number = (value: number): JsonObject => ({ default_value: value, runtime_key: "none" });
/** So aggressive that any excess of failures rejects. */
const strict: JsonObject = {
  aggression: number(1_000_000),
  max_rejection_probability: percent(100),
};
const bad = response(503, "bad");
const good = response(200, "good");

/** The statuses of one request after the other. */
async function statuses(t: CaseContext, count: number): Promise<string> {
  const seen: number[] = [];
  for (let i = 0; i < count; i++) seen.push((await t.get("/")).status);
  return seen.join(" ");
}

async function counted(t: CaseContext): Promise<string> {
  const names = ["success", "failure", "rejected"];
  const values = await Promise.all(
    names.map((name) => t.stat(`http.{case}.admission_control.rq_${name}`)),
  );
  return names.map((name, index) => `${name} ${values[index] ?? 0}`).join(", ");
}

const asks = (
  name: string,
  config: JsonObject,
  upstream: Script,
  count: number,
  sees: Seen,
  more: HttpOptions = {},
): ParityCase =>
  scene({
    name,
    config: http({ filters: [admission(config)], ...more }),
    upstream,
    act: async (t) => [await statuses(t, count), await counted(t)],
    sees,
  });

const cases: readonly ParityCase[] = [
  scene({
    name: "a rejection",
    config: http({ filters: [admission(strict)] }),
    upstream: answer(bad),
    act: async (t) => {
      await t.get("/");
      const { raw } = await t.get("/");
      return [raw.replace(/^date.*\r\n/m, ""), ...(await t.log(2)), await counted(t)];
    },
    sees: [
      "HTTP/1.1 503 Service Unavailable\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n",
      "503 - via_upstream",
      "503 - denied_by_admission_control",
      "success 0, failure 1, rejected 1",
    ],
  }),
  asks(
    "without criteria all below 500 is success",
    strict,
    answers(response(404), response(499), response(302), response(500), good),
    6,
    ["404 499 302 500 503 503", "success 3, failure 1, rejected 2"],
  ),
  asks(
    "http_success_status",
    {
      ...strict,
      success_criteria: {
        http_criteria: {
          http_success_status: [
            { start: 200, end: 201 },
            { start: 500, end: 504 },
          ],
        },
      },
    },
    answers(good, bad, response(404), good),
    5,
    ["200 503 404 503 503", "success 2, failure 1, rejected 2"],
  ),
  asks(
    "sr_threshold",
    { ...strict, sr_threshold: percent(50) },
    answers(good, good, bad, bad, bad, good),
    7,
    ["200 200 503 503 503 503 503", "success 2, failure 3, rejected 2"],
  ),
  asks(
    "a threshold of all",
    { ...strict, sr_threshold: percent(100) },
    answers(good, good, bad, good),
    5,
    ["200 200 503 503 503", "success 2, failure 1, rejected 2"],
  ),
  asks(
    "enabled: false",
    { ...strict, enabled: { default_value: false, runtime_key: "none" } },
    answer(bad),
    3,
    ["503 503 503", "success 0, failure 0, rejected 0"],
  ),
  asks(
    "max_rejection_probability 0",
    { ...strict, max_rejection_probability: percent(0) },
    answer(bad),
    5,
    ["503 503 503 503 503", "success 0, failure 5, rejected 0"],
  ),
  asks("rps_threshold is not reached", { ...strict, rps_threshold: number(100) }, answer(bad), 5, [
    "503 503 503 503 503",
    "success 0, failure 5, rejected 0",
  ]),
  asks("rps_threshold 0", { ...strict, rps_threshold: number(0) }, answer(bad), 3, [
    "503 503 503",
    "success 0, failure 1, rejected 2",
  ]),
  asks(
    "a local reply of the router counts",
    strict,
    answer(good),
    3,
    ["500 503 503", "success 0, failure 1, rejected 2"],
    {
      routes: [route({ prefix: "/" }, direct("x", 500))],
    },
  ),
  asks("an upstream that is not there counts", strict, (connection) => connection.close(), 3, [
    "503 503 503",
    "success 0, failure 1, rejected 2",
  ]),
  {
    name: "the window goes on",
    config: http({ filters: [admission({ ...strict, sampling_window: "1s" })] }),
    upstream: answers(bad, good),
    run: async (t) => {
      assert.equal(await statuses(t, 1), "503");
      await t.eventually(async () => assert.equal(await statuses(t, 1), "200"));
      assert.equal(await statuses(t, 3), "200 200 200");
    },
  },
  {
    name: "rps_threshold is reached",
    config: http({
      filters: [admission({ ...strict, sampling_window: "1s", rps_threshold: number(2) })],
    }),
    upstream: answer(bad),
    run: async (t) => {
      await t.eventually(async () => {
        await statuses(t, 3);
        assert.ok(((await t.stat("http.{case}.admission_control.rq_rejected")) ?? 0) > 0);
      });
    },
  },
  {
    name: "max_rejection_probability is a share",
    config: http({ filters: [admission({ ...strict, max_rejection_probability: percent(50) })] }),
    upstream: answer(bad),
    run: async (t) => {
      const client = await t.connect();
      const get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
      await client.exchange(get);
      let rejected = 0;
      for (let i = 0; i < 400; i++) if ((await client.exchange(get)).body === "") rejected++;
      // Six standard deviations of 10.
      assert.ok(rejected > 140 && rejected < 260, String(rejected));
      await t.stats({ "http.{case}.admission_control.rq_rejected": rejected });
    },
  },
  {
    name: "linear aggression rejects as the failures' share",
    config: http({
      filters: [admission({ sr_threshold: percent(100), max_rejection_probability: percent(100) })],
    }),
    upstream: async (connection) => {
      for (let i = 0; (await connection.request()) !== undefined; i++)
        await connection.write(i % 4 === 3 ? good : bad);
    },
    run: async (t) => {
      const client = await t.connect();
      const get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
      let rejected = 0;
      for (let i = 0; i < 400; i++) if ((await client.exchange(get)).body === "") rejected++;
      // About three quarters, less at the beginning.
      assert.ok(rejected > 230 && rejected < 360, String(rejected));
    },
  },
  {
    name: "health checks are not counted",
    config: http({
      filters: [
        extension(
          "envoy.filters.http.health_check",
          "envoy.extensions.filters.http.health_check.v3.HealthCheck",
          {
            pass_through_mode: true,
            headers: [{ name: ":path", string_match: { exact: "/health" } }],
          },
        ),
        admission(strict),
      ],
    }),
    upstream: answers(bad, good),
    run: async (t) => {
      assert.equal((await t.get("/health")).status, 503);
      assert.equal(await statuses(t, 3), "200 200 200");
      await t.stats({ "http.{case}.admission_control.rq_success": 3 });
      assert.equal(await counted(t), "success 3, failure 0, rejected 0");
    },
  },
];

const grpcCall = (
  name: string,
  head: readonly Field[],
  trailers: readonly Field[] | undefined,
  sees: Seen,
  criteria: JsonObject = {},
): ParityCase => {
  const config: CaseConfig = http2(
    {},
    { filters: [admission({ ...strict, success_criteria: criteria })], clusters: [http2Cluster()] },
  );
  return scene({
    name: `gRPC: ${name}`,
    config,
    upstream: answerFrames(
      [...head, ["content-type", "application/grpc"]],
      trailers === undefined ? {} : { trailers },
    ),
    act: async (t) => {
      const calls: string[] = [];
      for (let i = 0; i < 2; i++)
        calls.push(
          streamText(await askFrames(t, grpcRequest(), { body: message("x") })).join(" | "),
        );
      return [...calls, await counted(t)];
    },
    sees,
  });
};

const ok: readonly Field[] = [[":status", "200"]];
const calls: readonly ParityCase[] = [
  ...Array.from({ length: 18 }, (_, code) =>
    grpcCall(`status ${code}`, ok, [["grpc-status", String(code)]], grpcSees(code)),
  ),
  grpcCall(
    "a status in the head",
    [...ok, ["grpc-status", "14"]],
    undefined,
    failed(":status: 200; content-type: application/grpc; grpc-status: 14 | end"),
  ),
  grpcCall(
    "no status at all",
    ok,
    [["x-a", "1"]],
    failed(":status: 200; content-type: application/grpc | x-a: 1 | end"),
  ),
  grpcCall(
    "an HTTP status",
    [[":status", "500"]],
    [["grpc-status", "0"]],
    failed(":status: 500; content-type: application/grpc | grpc-status: 0 | end"),
  ),
  grpcCall(
    "grpc_success_status",
    ok,
    [["grpc-status", "0"]],
    failed(":status: 200; content-type: application/grpc | grpc-status: 0 | end"),
    {
      grpc_criteria: { grpc_success_status: [14] },
    },
  ),
];

/** Failures of the server, and what is no status, are failures. */
function grpcSees(code: number): Seen {
  const answered = `:status: 200; content-type: application/grpc | grpc-status: ${code} | end`;
  if (![4, 8, 10, 13, 14, 15, 17].includes(code))
    return [answered, answered, "success 2, failure 0, rejected 0"];
  return failed(answered);
}

/** The second call is rejected. */
function failed(answered: string): Seen {
  const rejected = ":status: 200; content-type: application/grpc; grpc-status: 14 | end";
  return [answered, rejected, "success 0, failure 1, rejected 1"];
}

const refused = (name: string, config: JsonObject, reason: RegExp): ParityCase => ({
  name,
  config: http({
    filters: [admission(config)],
    routes: [route({ prefix: "/" }, direct("ok"))],
  }),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, reason);
  },
});

const refusals: readonly ParityCase[] = [
  refused(
    "refuses a range that ends before it begins",
    { success_criteria: { http_criteria: { http_success_status: [{ start: 300, end: 200 }] } } },
    /invalid HTTP range: \[300, 200\)/,
  ),
  refused(
    "refuses a threshold of 0",
    { sr_threshold: percent(0) },
    /Success rate threshold cannot be less than 1\.0%/,
  ),
];

parityArea("filter-admission", [...cases, ...calls, ...refusals]);
