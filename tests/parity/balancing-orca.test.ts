import assert from "node:assert/strict";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  extension,
  http,
  type JsonObject,
  route,
  toCluster,
} from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** Reports count at once, and become weights in the next tenth of a second. */
const weighted = (
  name: string,
  endpoints: readonly JsonObject[],
  policy: JsonObject = {},
): JsonObject =>
  cluster(name, {
    load_assignment: { cluster_name: `{case}-${name}`, endpoints: [{ lb_endpoints: endpoints }] },
    typed_extension_protocol_options: {
      [httpOptions]:
        extension(httpOptions, httpOptions, {
          explicit_http_config: { http_protocol_options: { enable_trailers: true } },
        })["typed_config"] ?? {},
    },
    load_balancing_policy: {
      policies: [
        {
          typed_extension_config: extension(
            "envoy.load_balancing_policies.client_side_weighted_round_robin",
            "envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin",
            { blackout_period: "0s", weight_update_period: "0.1s", ...policy },
          ),
        },
      ],
    },
  });

const names = ["one", "two", "three", "four", "five"];

const to = (endpoints: readonly JsonObject[], policy?: JsonObject): CaseConfig =>
  http({
    clusters: [
      weighted("main", endpoints, policy),
      // The upstreams get no clusters of their own.
      ...names.map((name) => ({
        ...cluster("main"),
        name: `{case}-${name}`,
        load_assignment: { cluster_name: "x" },
      })),
    ],
  });

const reports = (name: string, value: string, field = "endpoint-load-metrics"): Script =>
  answer(response(200, name, `${field}: ${value}`));
const text = (name: string, value: string): Script => reports(name, `TEXT ${value}`);
const inTrailers = (name: string, value: string): Script =>
  answer(
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${name.length}\r\n${name}\r\n0\r\nendpoint-load-metrics: ${value}\r\n\r\n`,
  );

/** cpu_utilization 1 and this many requests a second, as xds.data.orca.v3.OrcaLoadReport. */
function binary(requests: number): string {
  const bytes = Buffer.alloc(18);
  bytes[0] = 0x09;
  bytes.writeDoubleLE(1, 1);
  bytes[9] = 0x31;
  bytes.writeDoubleLE(requests, 10);
  return bytes.toString("base64");
}

async function shares(t: CaseContext, requests: number, path: string): Promise<number[]> {
  const client = await t.connect();
  const counts = new Map<string, number>();
  for (let sent = 0; sent < requests; sent += 1) {
    const { body } = await client.exchange(get(path));
    counts.set(body, (counts.get(body) ?? 0) + 1);
  }
  return names.map((name) => counts.get(name) ?? 0).filter((count) => count > 0);
}

/** Earliest deadlines first is exact, but for where in its turn it stands at the beginning and the end. */
async function comesTo(t: CaseContext, expected: readonly number[], path = "/"): Promise<void> {
  const requests = expected.reduce((sum, count) => sum + count);
  await t.eventually(async () => {
    const got = await shares(t, requests, path);
    const near =
      got.length === expected.length &&
      got.every((count, index) => Math.abs(count - (expected[index] ?? 0)) <= 1);
    assert.ok(near, `${got}, not ${expected}`);
  });
}

const upTo = (count: number): readonly JsonObject[] =>
  names.slice(0, count).map((name) => endpoint(name));

/** Reports for requests of `/reports` only. */
const onDemand =
  (name: string, value: string): Script =>
  async (connection) => {
    for (;;) {
      const request = await connection.request();
      if (request === undefined) break;
      const asked = request.startLine.includes("/reports");
      const fields = asked ? [`endpoint-load-metrics: TEXT ${value}`] : [];
      await connection.write(response(200, name, ...fields));
    }
    connection.end();
  };

const threeToOne = [
  endpoint("one", { load_balancing_weight: 3 }),
  endpoint("two", { load_balancing_weight: 1 }),
];
const silent = { one: answer(response(200, "one")), two: answer(response(200, "two")) };

const cases: readonly ParityCase[] = [
  {
    name: "reports as text, JSON and protobuf, in headers and in trailers",
    config: to(upTo(5)),
    upstreams: {
      one: text("one", "rps_fractional=100,cpu_utilization=1"),
      two: reports("two", 'JSON {"rps_fractional": 200, "cpu_utilization": 1}'),
      three: reports("three", binary(300), "endpoint-load-metrics-bin"),
      four: reports("four", `BIN ${binary(400)}`),
      five: inTrailers("five", "TEXT rps_fractional:500,cpu_utilization:1"),
    },
    run: (t) => comesTo(t, [10, 20, 30, 40, 50]),
  },
  {
    name: "who says nothing, too little or something wrong gets the median",
    config: to(upTo(5)),
    upstreams: {
      one: text("one", "rps_fractional=100,cpu_utilization=1"),
      two: text("two", "rps_fractional=500,cpu_utilization=1"),
      three: text("three", "cpu_utilization=0.01"),
      four: text("four", "rps_fractional=5000,cpu_utilization=1,nonsense=1"),
      five: answer(response(200, "five")),
    },
    run: (t) => comesTo(t, [10, 50, 30, 30, 30]),
  },
  {
    name: "negative metrics spoil a report",
    config: to(upTo(3)),
    upstreams: {
      one: text("one", "rps_fractional=100,cpu_utilization=1"),
      two: text("two", "rps_fractional=300,cpu_utilization=1"),
      three: text("three", "rps_fractional=600,cpu_utilization=1,mem_utilization=-1"),
    },
    run: (t) => comesTo(t, [10, 30, 20]),
  },
  {
    name: "errors count as error_utilization_penalty says",
    config: to(upTo(2), { error_utilization_penalty: 1 }),
    upstreams: {
      one: text("one", "rps_fractional=100,cpu_utilization=0.5,eps=50"),
      two: text("two", "rps_fractional=100,cpu_utilization=0.5"),
    },
    run: (t) => comesTo(t, [10, 20]),
  },
  {
    name: "errors count nothing without error_utilization_penalty",
    config: to(upTo(3)),
    upstreams: {
      one: text("one", "rps_fractional=100,cpu_utilization=1,eps=100"),
      two: text("two", "rps_fractional=100,cpu_utilization=1"),
      three: text("three", "rps_fractional=300,cpu_utilization=1"),
    },
    run: (t) => comesTo(t, [10, 10, 30]),
  },
  {
    name: "named metrics go before the application's utilization, and that before the processor's",
    config: to(upTo(4), {
      metric_names_for_computing_utilization: ["named_metrics.queue", "utilization.*"],
    }),
    upstreams: {
      one: text(
        "one",
        "rps_fractional=100,application_utilization=0.1,named_metrics.queue=1,named_metrics.x=9",
      ),
      two: text("two", "rps_fractional=100,cpu_utilization=0.1,application_utilization=0.5"),
      three: text("three", "rps_fractional=100,cpu_utilization=0.25"),
      four: reports("four", 'JSON {"rpsFractional": 100, "utilization": {"a": 0.1, "b": 0.5}}'),
    },
    run: (t) => comesTo(t, [10, 20, 40, 20]),
  },
  {
    name: "configured weights count until the first update",
    config: to(threeToOne, { weight_update_period: "3600s" }),
    upstreams: silent,
    run: async (t) => assert.deepEqual(await shares(t, 16, "/"), [12, 4]),
  },
  {
    name: "configured weights do not count after it",
    config: to(threeToOne),
    upstreams: silent,
    run: (t) => comesTo(t, [8, 8]),
  },
  {
    name: "reports are forgotten after weight_expiration_period",
    config: to(upTo(2), { weight_expiration_period: "1s" }),
    upstreams: {
      one: onDemand("one", "rps_fractional=100,cpu_utilization=1"),
      two: onDemand("two", "rps_fractional=400,cpu_utilization=1"),
    },
    run: async (t) => {
      await comesTo(t, [5, 20], "/reports");
      await comesTo(t, [10, 10]);
    },
  },
  {
    name: "reports do not count within blackout_period",
    config: http({
      routes: [route({ prefix: "/blackout" }, toCluster("two")), route()],
      clusters: [
        weighted("main", upTo(2)),
        weighted("two", upTo(2), { blackout_period: "3600s" }),
        { ...cluster("one"), load_assignment: { cluster_name: "x" } },
      ],
    }),
    upstreams: {
      one: text("one", "rps_fractional=100,cpu_utilization=1"),
      two: text("two", "rps_fractional=300,cpu_utilization=1"),
    },
    run: async (t) => {
      assert.deepEqual(await shares(t, 20, "/blackout"), [10, 10]);
      await comesTo(t, [5, 15]);
      await comesTo(t, [5, 15]);
      assert.deepEqual(await shares(t, 20, "/blackout"), [10, 10]);
    },
  },
];

parityArea("orca", cases);
