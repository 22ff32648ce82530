/** What counts as an error: gRPC statuses, and the matcher of the cluster's HTTP options. */
import { type ParityCase, parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import { ask, byPath, callGrpc, ejections, watching } from "./harness/outlier.ts";

const grpc: readonly ParityCase[] = [
  {
    name: "gRPC: a status in the head counts as the HTTP status it stands for",
    config: watching({ consecutive_5xx: 2, consecutive_gateway_failure: 1 }),
    upstream: byPath,
    run: async (t) => {
      // UNAVAILABLE and DEADLINE_EXCEEDED.
      await callGrpc(t, "/200-14");
      await ejections(t, { detected_consecutive_gateway_failure: 1, detected_consecutive_5xx: 0 });
      await callGrpc(t, "/200-4");
      await ejections(t, { active: 1, detected_consecutive_5xx: 1 });
    },
  },
  {
    name: "gRPC: what is the caller's mistake is no failure of the host",
    config: watching({ consecutive_5xx: 1 }),
    upstream: byPath,
    run: async (t) => {
      for (const code of [1, 3, 5, 6, 7, 8, 9, 10, 11, 16]) await callGrpc(t, `/200-${code}`);
      await ejections(t, { detected_consecutive_5xx: 0 });
      // UNIMPLEMENTED
      await callGrpc(t, "/200-12");
      await ejections(t, { detected_consecutive_5xx: 1 });
    },
  },
  {
    name: "gRPC: the status of another kind of request is only a header",
    config: watching({ consecutive_5xx: 1 }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/200-14");
      await ejections(t, { detected_consecutive_5xx: 0 });
    },
  },
];

const degradedCalls: readonly ParityCase[] = [
  {
    name: "gRPC: a degraded host says so beside its status",
    config: watching({ consecutive_5xx: 100, detect_degraded_hosts: true }),
    upstream: byPath,
    run: async (t) => {
      await callGrpc(t, "/200-14?degraded");
      await ejections(t, { detected_degradation: 0 });
      await callGrpc(t, "/200-0?degraded");
      await ejections(t, { detected_degradation: 1 });
    },
  },
];

/** The cluster's HTTP options say which answers are errors. */
const errors = (matcher: JsonObject): JsonObject => ({
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      explicit_http_config: { http_protocol_options: {} },
      outlier_detection: { error_matcher: matcher },
    },
  },
});
const answered = (name: string, exact: string): JsonObject => ({
  http_response_headers_match: { headers: [{ name, string_match: { exact } }] },
});

const matched: readonly ParityCase[] = [
  {
    name: "error_matcher: what it matches is an error",
    config: watching({ consecutive_5xx: 2, consecutive_gateway_failure: 1 }, undefined, {
      ...errors(answered(":status", "404")),
    }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/404", "/403", "/404");
      await ejections(t, { detected_consecutive_5xx: 0 });
      await ask(t, "/404");
      await ejections(t, {
        active: 1,
        detected_consecutive_5xx: 1,
        detected_consecutive_gateway_failure: 0,
      });
    },
  },
  {
    name: "error_matcher: what it does not match is none, whatever its status",
    config: watching({ consecutive_5xx: 1 }, undefined, errors(answered(":status", "503"))),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/500");
      await ejections(t, { detected_consecutive_5xx: 0 });
      await ask(t, "/503");
      await ejections(t, { detected_consecutive_5xx: 1 });
    },
  },
  {
    name: "error_matcher: the status of a gateway stays one",
    config: watching(
      { consecutive_5xx: 100, consecutive_gateway_failure: 1 },
      undefined,
      errors({ any_match: true }),
    ),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/200", "/500");
      await ejections(t, { detected_consecutive_gateway_failure: 0 });
      await ask(t, "/502");
      await ejections(t, { detected_consecutive_gateway_failure: 1 });
    },
  },
  {
    name: "error_matcher: and, or, not",
    config: watching(
      { consecutive_5xx: 1 },
      undefined,
      errors({
        and_match: {
          rules: [
            { or_match: { rules: [answered(":status", "404"), answered(":status", "200")] } },
            { not_match: answered("grpc-status", "7") },
          ],
        },
      }),
    ),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/403", "/200-7");
      await ejections(t, { detected_consecutive_5xx: 0 });
      await ask(t, "/200-8");
      await ejections(t, { detected_consecutive_5xx: 1 });
    },
  },
  {
    name: "error_matcher: a gRPC status in the head goes before it",
    config: watching({ consecutive_5xx: 1 }, undefined, errors(answered(":status", "500"))),
    upstream: byPath,
    run: async (t) => {
      await callGrpc(t, "/500-0");
      await ejections(t, { detected_consecutive_5xx: 0 });
      await callGrpc(t, "/200-14");
      await ejections(t, { detected_consecutive_5xx: 1 });
    },
  },
  {
    name: "error_matcher: a degraded host's answer may be an error",
    config: watching({ consecutive_5xx: 100, detect_degraded_hosts: true }, undefined, {
      ...errors(answered(":status", "404")),
    }),
    upstream: byPath,
    run: async (t) => {
      await ask(t, "/404?degraded");
      await ejections(t, { detected_degradation: 0 });
      await ask(t, "/500?degraded");
      await ejections(t, { detected_degradation: 1 });
    },
  },
];

parityArea("outlier-answers", [...grpc, ...degradedCalls, ...matched]);
