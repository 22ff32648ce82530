import assert from "node:assert/strict";
import { answer, response, type Script } from "../../../testkit/fake-upstream.ts";
import type { ParityCase } from "./area.ts";
import {
  type CaseConfig,
  cluster,
  endpoint,
  extension,
  http,
  type JsonObject,
  route,
  toCluster,
} from "./config.ts";
import { type CaseContext, get } from "./context.ts";

export const hostNames = ["a", "b", "c", "d", "e"] as const;

/** Each host answers with its name. */
export const hosts: Readonly<Record<string, Script>> = Object.fromEntries(
  hostNames.map((name) => [name, answer(response(200, name))]),
);

/** Ports are another pair of shoes on each run: the hosts are known to the balancer by `hash_key`. */
export const hashed = (name: string, extra: JsonObject = {}): JsonObject =>
  endpoint(name, {
    metadata: { filter_metadata: { "envoy.lb": { hash_key: `host-${name}` } } },
    ...extra,
  });

export const group = (endpoints: readonly JsonObject[], extra: JsonObject = {}): JsonObject => ({
  lb_endpoints: endpoints,
  ...extra,
});

export const allHosts: JsonObject = group(hostNames.map((name) => hashed(name)));

export const byKey: JsonObject = { header: { header_name: "x-key" } };

/** Everything goes to the cluster `main`, hashed by these policies; requests may run for as long as a case does. */
export const hashing = (
  main: JsonObject,
  localities: readonly JsonObject[] = [allHosts],
  policies: readonly JsonObject[] = [byKey],
): CaseConfig =>
  http({
    routes: [route({ prefix: "/" }, toCluster("main", { hash_policy: policies, timeout: "0s" }))],
    clusters: [
      cluster("main", {
        load_assignment: { cluster_name: "{case}-main", endpoints: localities },
        ...main,
      }),
    ],
  });

export const byExtension = (type: string, config: JsonObject = {}): JsonObject => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: extension(
          "envoy.load_balancing_policies",
          `envoy.extensions.load_balancing_policies.${type}`,
          config,
        ),
      },
    ],
  },
});

/** Who answered each of these requests, a letter each; `-` when the proxy did. */
export async function answers(t: CaseContext, requests: readonly string[]): Promise<string> {
  const client = await t.connect();
  let letters = "";
  for (const request of requests) {
    const { status, body } = await client.exchange(request);
    letters += status === 200 ? body : "-";
  }
  return letters;
}

export const keys: readonly string[] = Array.from({ length: 100 }, (_, index) => `key-${index}`);

/** Who got each of the hundred keys. */
export const mapping = (t: CaseContext): Promise<string> =>
  answers(
    t,
    keys.map((key) => get("/", `x-key: ${key}`)),
  );

/** A case whose keys go to these hosts: seen on Envoy, demanded of Heddle. */
export const maps = (
  name: string,
  config: CaseConfig,
  expected: string,
  then?: (t: CaseContext) => Promise<void>,
): ParityCase => ({
  name,
  config,
  upstreams: hosts,
  run: async (t) => {
    assert.equal(await mapping(t), expected);
    await then?.(t);
  },
});
