import assert from "node:assert/strict";
import { answer, response, type Script } from "../../../testkit/fake-upstream.ts";
import type { ParityCase } from "./area.ts";
import { http, type JsonObject, route, toCluster, virtualHost } from "./config.ts";
import { type CaseContext, get } from "./context.ts";

/** Requests of this machine may say x-envoy-…. */
export const trusting: JsonObject = {
  use_remote_address: true,
  internal_address_config: { cidr_ranges: [{ address_prefix: "127.0.0.0", prefix_len: 8 }] },
};
export const quickly: JsonObject = {
  retry_back_off: { base_interval: "0.001s", max_interval: "0.002s" },
};
/** Nobody listens on port 1. */
export const nobody: JsonObject = {
  endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } },
};
export const ok: string = response(200, "ok");
export const failing = (status: number, ...fields: readonly string[]): string =>
  response(status, `s${status}`, ...fields);

export interface Retried {
  readonly name: string;
  /** The retry policy; undefined: none on the route. */
  readonly policy?: JsonObject | undefined;
  readonly upstream: Script;
  readonly action?: JsonObject;
  readonly host?: JsonObject;
  readonly clusters?: readonly JsonObject[];
  readonly request?: string;
  readonly status: number;
  /** Requests that the upstream reads whole. */
  readonly attempts: number;
  readonly log: string;
  readonly stats?: Readonly<Record<string, number>>;
  readonly more?: (t: CaseContext) => Promise<void> | void;
  readonly body?: string;
}

export function retried(options: Retried): ParityCase {
  const { policy, action = {}, host = {}, clusters = [] } = options;
  const routed = toCluster("main", {
    ...(policy === undefined ? {} : { retry_policy: { ...quickly, ...policy } }),
    ...action,
  });
  return {
    name: options.name,
    config: http({
      virtualHosts: [virtualHost("all", ["*"], [route({ prefix: "/" }, routed)], host)],
      clusters,
      manager: trusting,
    }),
    upstream: options.upstream,
    run: async (t) => {
      const got = await t.send(options.request ?? get("/"));
      assert.equal(got.status, options.status);
      if (options.body !== undefined) assert.equal(got.body, options.body);
      assert.equal(await t.logLine(), options.log);
      await t.eventually(async () => {
        assert.equal(t.upstream().requests.length, options.attempts);
      });
      if (options.stats !== undefined) {
        const named = Object.entries(options.stats).map(
          ([name, value]) => [`cluster.{case}-main.${name}`, value] as const,
        );
        await t.stats(Object.fromEntries(named));
      }
      await options.more?.(t);
    },
  };
}

export const via = (status: number, flags = "-"): string => `${status} ${flags} via_upstream`;

/** The first connections are closed instead of answered. */
export const closing = (times: number, then: string = ok): Script => {
  const answered = answer(then);
  return async (connection, index, upstream) => {
    if (index >= times) return answered(connection, index, upstream);
    await connection.request();
    connection.reset();
  };
};
