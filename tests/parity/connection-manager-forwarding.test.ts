import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import { http, route, toCluster, virtualHost } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { exchange, forwarded, headerLines, own } from "./harness/forwarded.ts";

const ok = answer(response(200, "ok"));

function listenerPort(t: CaseContext): number {
  const address = t.address();
  return "port" in address ? address.port : 0;
}

const id = "x-request-id: <uuid>";
const http1 = "x-forwarded-proto: http";
const outside = "x-envoy-external-address: 127.0.0.1";
const inside = "x-envoy-internal: true";
const edge = { use_remote_address: true };
const loopback = {
  internal_address_config: { cidr_ranges: [{ address_prefix: "127.0.0.0", prefix_len: 8 }] },
};
const tens = {
  internal_address_config: { cidr_ranges: [{ address_prefix: "10.0.0.0", prefix_len: 8 }] },
};

parityArea("connection-manager-forwarding", [
  exchange({
    name: "the edge names the client",
    manager: edge,
    sent: [],
    seen: [`x-forwarded-for: ${own}`, http1, outside, id],
    remote: "127.0.0.1",
  }),
  exchange({
    name: "the edge takes nobody's word",
    manager: edge,
    sent: [
      "x-forwarded-for: 1.2.3.4",
      "x-forwarded-proto: https",
      "x-envoy-internal: true",
      "x-envoy-retry-on: 5xx",
      "x-forwarded-host: a",
      "x-forwarded-port: 1",
      "x-envoy-foo: 1",
      "x-request-id: mine",
      "x-envoy-original-path: /x",
      "x-envoy-decorator-operation: a",
      "x-envoy-force-trace: 1",
      "x-forwarded-client-cert: By=a",
      "x-real-ip: 1",
    ],
    seen: [
      `x-forwarded-for: 1.2.3.4,${own}`,
      http1,
      "x-forwarded-host: a",
      "x-forwarded-port: 1",
      "x-envoy-foo: 1",
      id,
      "x-real-ip: 1",
      outside,
    ],
    remote: "127.0.0.1",
  }),
  exchange({
    name: "every control header of an outsider is removed",
    manager: edge,
    sent: [
      "x-envoy-retry-grpc-on: cancelled",
      "x-envoy-max-retries: 1",
      "x-envoy-upstream-alt-stat-name: a",
      "x-envoy-upstream-rq-timeout-ms: 1",
      "x-envoy-upstream-rq-per-try-timeout-ms: 1",
      "x-envoy-upstream-rq-timeout-alt-response: 1",
      "x-envoy-ip-tags: a",
      "x-envoy-original-url: a",
      "x-envoy-hedge-on-per-try-timeout: true",
      "x-envoy-retriable-status-codes: 404",
      "x-envoy-retriable-header-names: a",
      "x-envoy-upstream-stream-duration-ms: 1",
      "x-envoy-downstream-service-cluster: a",
      "x-envoy-downstream-service-node: a",
      "x-envoy-original-host: a",
      "x-envoy-attempt-count: 3",
      "x-envoy-degraded: a",
      "x-envoy-overloaded: a",
      "x-envoy-ratelimited: a",
      "x-envoy-is-timeout-retry: a",
      "x-envoy-upstream-service-time: 1",
      "x-envoy-local-overloaded: a",
      "x-envoy-external-address: 1.1.1.1",
      "x-envoy-cluster: a",
      "x-b3-traceid: a",
      "x-client-trace-id: a",
      "x-envoy-peer-metadata: a",
    ],
    seen: [
      "x-envoy-attempt-count: 3",
      "x-envoy-degraded: a",
      "x-envoy-overloaded: a",
      "x-envoy-ratelimited: a",
      "x-envoy-is-timeout-retry: a",
      "x-envoy-upstream-service-time: <ms>",
      "x-envoy-local-overloaded: a",
      "x-envoy-external-address: 127.0.0.1",
      "x-envoy-cluster: a",
      "x-b3-traceid: a",
      "x-client-trace-id: a",
      "x-envoy-peer-metadata: a",
      `x-forwarded-for: ${own}`,
      http1,
      id,
    ],
  }),
  exchange({
    name: "an inner proxy keeps what the one before it said",
    manager: {},
    sent: [
      "x-forwarded-for: 1.2.3.4",
      "x-forwarded-proto: https",
      "x-envoy-internal: true",
      "x-request-id: mine",
      "x-envoy-retry-on: 5xx",
      "x-envoy-external-address: 1.1.1.1",
      "x-envoy-original-path: /a",
      "x-envoy-decorator-operation: a",
    ],
    seen: [
      "x-forwarded-for: 1.2.3.4",
      "x-forwarded-proto: https",
      "x-request-id: mine",
      "x-envoy-external-address: 1.1.1.1",
      "x-envoy-original-path: /a",
      "x-envoy-decorator-operation: a",
    ],
    remote: "1.2.3.4",
  }),
  exchange({
    name: "an inner proxy takes the client from the right end",
    manager: {},
    sent: ["x-forwarded-for: 1.1.1.1, 2.2.2.2 , 10.1.1.1"],
    seen: ["x-forwarded-for: 1.1.1.1, 2.2.2.2 , 10.1.1.1", http1, id],
    remote: "10.1.1.1",
  }),
  exchange({
    name: "x-forwarded-for that is no address is passed on and not used",
    manager: {},
    sent: ["x-forwarded-for: unknown"],
    seen: ["x-forwarded-for: unknown", http1, id],
    remote: "127.0.0.1",
  }),
  exchange({
    name: "skip_xff_append keeps x-forwarded-for",
    manager: { ...edge, skip_xff_append: true },
    sent: ["x-forwarded-for: 1.2.3.4"],
    seen: ["x-forwarded-for: 1.2.3.4", http1, outside, id],
    remote: "127.0.0.1",
  }),
  exchange({
    name: "trusted hops at the edge take the address that the nearest proxy wrote",
    manager: { ...edge, xff_num_trusted_hops: 1 },
    sent: ["x-forwarded-for: 9.9.9.9, 1.2.3.4", "x-forwarded-proto: https"],
    seen: [
      `x-forwarded-for: 9.9.9.9, 1.2.3.4,${own}`,
      "x-forwarded-proto: https",
      "x-envoy-external-address: 1.2.3.4",
      id,
    ],
    remote: "1.2.3.4",
  }),
  exchange({
    name: "two trusted hops at the edge",
    manager: { ...edge, xff_num_trusted_hops: 2 },
    sent: ["x-forwarded-for: 9.9.9.9, 1.2.3.4"],
    seen: [
      `x-forwarded-for: 9.9.9.9, 1.2.3.4,${own}`,
      http1,
      "x-envoy-external-address: 9.9.9.9",
      id,
    ],
    remote: "9.9.9.9",
  }),
  exchange({
    name: "fewer entries than trusted hops: the peer is the client",
    manager: { ...edge, xff_num_trusted_hops: 3 },
    sent: ["x-forwarded-for: 9.9.9.9, 1.2.3.4"],
    seen: [`x-forwarded-for: 9.9.9.9, 1.2.3.4,${own}`, http1, outside, id],
    remote: "127.0.0.1",
  }),
  exchange({
    name: "trusted hops of an inner proxy skip that many entries",
    manager: { xff_num_trusted_hops: 1 },
    sent: ["x-forwarded-for: 9.9.9.9, 1.2.3.4, 5.6.7.8"],
    seen: ["x-forwarded-for: 9.9.9.9, 1.2.3.4, 5.6.7.8", http1, id],
    remote: "1.2.3.4",
  }),
  exchange({
    name: "repeated x-forwarded-for is one list",
    manager: edge,
    sent: ["x-forwarded-for: 1.2.3.4", "x-forwarded-for: 5.6.7.8"],
    seen: [`x-forwarded-for: 1.2.3.4,5.6.7.8,${own}`, http1, outside, id],
    remote: "127.0.0.1",
  }),
  exchange({
    name: "an internal client may control retries and timeouts",
    manager: { ...edge, ...loopback },
    sent: [
      "x-envoy-upstream-rq-timeout-ms: 500",
      "x-request-id: mine",
      "x-envoy-decorator-operation: a",
      "x-envoy-downstream-service-cluster: a",
      "x-envoy-downstream-service-node: n",
    ],
    seen: [
      "x-request-id: mine",
      "x-envoy-decorator-operation: a",
      "x-envoy-downstream-service-cluster: a",
      "x-envoy-downstream-service-node: n",
      `x-forwarded-for: ${own}`,
      http1,
      inside,
    ],
  }),
  exchange({
    name: "an inner proxy takes a single internal entry as internal",
    manager: tens,
    sent: ["x-forwarded-for: 10.0.0.1", "x-envoy-original-path: /a"],
    seen: ["x-forwarded-for: 10.0.0.1", "x-envoy-original-path: /a", http1, inside, id],
    remote: "10.0.0.1",
  }),
  exchange({
    name: "an inner proxy takes a list as external",
    manager: tens,
    sent: ["x-forwarded-for: 10.0.0.2,10.0.0.1"],
    seen: ["x-forwarded-for: 10.0.0.2,10.0.0.1", http1, id],
    remote: "10.0.0.1",
  }),
  exchange({
    name: "an inner proxy without x-forwarded-for is external",
    manager: loopback,
    sent: [],
    seen: [http1, id],
    remote: "127.0.0.1",
  }),
  {
    name: "append_x_forwarded_port names the listener's port",
    config: http({ manager: { ...edge, append_x_forwarded_port: true } }),
    upstream: ok,
    run: async (t) => {
      const port = listenerPort(t);
      await t.get("/", "x-forwarded-port: 77");
      assert.deepEqual(forwarded(t), [
        `x-forwarded-port: ${port}`,
        `x-forwarded-for: ${own}`,
        http1,
        outside,
        id,
      ]);
      await t.get("/");
      assert.deepEqual(forwarded(t), [
        `x-forwarded-for: ${own}`,
        http1,
        `x-forwarded-port: ${port}`,
        outside,
        id,
      ]);
    },
  },
  {
    name: "append_x_forwarded_port behind trusted hops keeps what is there",
    config: http({ manager: { ...edge, append_x_forwarded_port: true, xff_num_trusted_hops: 1 } }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-forwarded-port: 77", "x-forwarded-for: 1.2.3.4");
      assert.deepEqual(forwarded(t), [
        "x-forwarded-port: 77",
        `x-forwarded-for: 1.2.3.4,${own}`,
        http1,
        "x-envoy-external-address: 1.2.3.4",
        id,
      ]);
    },
  },
  {
    name: "append_x_forwarded_port of an inner proxy fills in what is missing",
    config: http({ manager: { append_x_forwarded_port: true } }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-forwarded-port: 77");
      assert.deepEqual(forwarded(t), ["x-forwarded-port: 77", http1, id]);
      await t.get("/");
      assert.deepEqual(forwarded(t), [http1, `x-forwarded-port: ${listenerPort(t)}`, id]);
    },
  },
  exchange({
    name: "generate_request_id false leaves it out",
    manager: { ...edge, generate_request_id: false },
    sent: [],
    seen: [`x-forwarded-for: ${own}`, http1, outside],
  }),
  exchange({
    name: "generate_request_id false at the edge, with one sent",
    manager: { ...edge, generate_request_id: false },
    sent: ["x-request-id: mine"],
    seen: ["x-request-id: mine", `x-forwarded-for: ${own}`, http1, outside],
  }),
  exchange({
    name: "preserve_external_request_id keeps the client's",
    manager: { ...edge, preserve_external_request_id: true },
    sent: ["x-request-id: mine"],
    seen: ["x-request-id: mine", `x-forwarded-for: ${own}`, http1, outside],
  }),
  {
    name: "always_set_request_id_in_response puts it last",
    config: http({
      manager: {
        ...edge,
        always_set_request_id_in_response: true,
        preserve_external_request_id: true,
      },
    }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/", "x-request-id: mine");
      assert.deepEqual(headerLines(got.raw), [
        "content-length: 2",
        "x-envoy-upstream-service-time: <ms>",
        "date: <date>",
        "server: envoy",
        "x-request-id: mine",
      ]);
    },
  },
  {
    name: "scheme_to_overwrite",
    config: http({
      manager: { scheme_header_transformation: { scheme_to_overwrite: "https" } },
      logFormat: "%REQ(:SCHEME)%",
      routes: [
        route({ prefix: "/r" }, { redirect: { path_redirect: "/x" } }),
        route({ prefix: "/" }, toCluster()),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      assert.deepEqual(forwarded(t), ["x-forwarded-proto: https", id]);
      assert.equal(await t.logLine(), "https");
      const got = await t.get("/r");
      assert.equal(got.header("location"), "https://host.test/x");
    },
  },
  {
    name: "require_tls looks at x-forwarded-proto",
    config: http({
      virtualHosts: [virtualHost("all", ["*"], [route()], { require_tls: "ALL" })],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-forwarded-proto: https")).status, 200);
      assert.equal((await t.get("/", "x-forwarded-proto: ftp")).status, 301);
      assert.equal((await t.get("/")).status, 301);
    },
  },
  {
    name: "x-forwarded-proto decides :scheme",
    config: http({
      logFormat: "%REQ(:SCHEME)%",
      routes: [
        route({ prefix: "/r" }, { redirect: { path_redirect: "/x" } }),
        route({ prefix: "/" }, toCluster()),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-forwarded-proto: https");
      assert.equal(await t.logLine(), "https");
      const got = await t.get("/r", "x-forwarded-proto: https");
      assert.equal(got.header("location"), "https://host.test/x");
      const bad = await t.get("/r", "x-forwarded-proto: ftp");
      assert.equal(bad.header("location"), "http://host.test/x");
    },
  },
]);
