import assert from "node:assert/strict";
import { answer, response, type Script } from "../../../testkit/fake-upstream.ts";
import type { ParityCase } from "./area.ts";
import { extension, http, type JsonObject } from "./config.ts";
import { percent, perRoute } from "./limits.ts";

export const faultName = "envoy.filters.http.fault";
export const faultType = "envoy.extensions.filters.http.fault.v3.HTTPFault";
export const fault = (config: JsonObject): JsonObject => extension(faultName, faultType, config);
export const all: JsonObject = percent(100);
export const abort = (config: JsonObject = { http_status: 418 }): JsonObject => ({
  abort: { percentage: all, ...config },
});
export const delay = (config: JsonObject = { fixed_delay: "0.2s" }): JsonObject => ({
  delay: { percentage: all, ...config },
});
export const onRoute = (config: JsonObject): JsonObject => perRoute(faultName, faultType, config);
export const ok: Script = answer(response(200, "upstream"));
export const counted = (more: Readonly<Record<string, number>>): Record<string, number> => ({
  "http.{case}.fault.aborts_injected": 0,
  "http.{case}.fault.delays_injected": 0,
  "http.{case}.fault.response_rl_injected": 0,
  "http.{case}.fault.faults_overflow": 0,
  "http.{case}.fault.active_faults": 0,
  ...more,
});

/** One request with these fields: its status and the log line. */
export const asked = (
  caseName: string,
  config: JsonObject,
  fields: readonly string[],
  status: number,
  line: string,
): ParityCase => ({
  name: caseName,
  config: http({ filters: [fault(config)] }),
  upstream: ok,
  run: async (t) => {
    assert.equal((await t.get("/", ...fields)).status, status);
    assert.equal(await t.logLine(), line);
  },
});

export const aborted = (code: number): string => `${code} FI fault_filter_abort`;
export const passed = "200 - via_upstream";

export const header = (value: string): string => `x-envoy-fault-abort-request: ${value}`;
export const limited = (config: JsonObject): JsonObject => ({
  response_rate_limit: { percentage: all, ...config },
});
