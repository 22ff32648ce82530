/** Limits that all workers of a process enforce together. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { RawClient } from "../../testkit/raw-client.ts";
import { extension, router } from "../parity/harness/config.ts";
import type { JsonObject } from "../parity/harness/placeholders.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { bootstrap, connectBoth, ok, startTwo, statBecomes } from "./support.ts";

const always = { default_value: { numerator: 100, denominator: "HUNDRED" } };
const bucket = (tokens: number): JsonObject => ({ max_tokens: tokens, fill_interval: "3600s" });

const startLimited = (t: TestContext, filter: JsonObject): Promise<ProxyProcess> =>
  startTwo(t, bootstrap([ok], { manager: { http_filters: [filter, router()] } }));

const localRateLimit = (config: JsonObject): JsonObject =>
  extension("limit", "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", {
    stat_prefix: "limit",
    filter_enabled: always,
    filter_enforced: always,
    ...config,
  });

/** How many of the clients get 200. */
async function served(clients: readonly RawClient[], field: string): Promise<number> {
  let count = 0;
  for (const client of clients) {
    const got = await client.exchange(`GET / HTTP/1.1\r\nhost: a\r\n${field}\r\n\r\n`);
    if (got.status === 200) count += 1;
  }
  return count;
}

test("the tokens of a local rate limit are those of all workers", async (t) => {
  const proxy = await startLimited(t, localRateLimit({ token_bucket: bucket(3) }));
  const clients = await connectBoth(t, proxy, 2);
  assert.equal(await served(clients, "x-user: a"), 3);
});

test("an open descriptor has one bucket for a value, in all workers", async (t) => {
  const proxy = await startLimited(
    t,
    localRateLimit({
      token_bucket: bucket(1000),
      descriptors: [{ entries: [{ key: "user" }], token_bucket: bucket(1) }],
      rate_limits: [
        { actions: [{ request_headers: { header_name: "x-user", descriptor_key: "user" } }] },
      ],
    }),
  );
  const clients = await connectBoth(t, proxy);
  for (const user of ["a", "b", "c"]) assert.equal(await served(clients, `x-user: ${user}`), 1);
});

test("max_active_faults counts the faults of all workers", async (t) => {
  const percentage = { numerator: 100, denominator: "HUNDRED" };
  const proxy = await startLimited(
    t,
    extension("fault", "envoy.extensions.filters.http.fault.v3.HTTPFault", {
      delay: { header_delay: {}, percentage },
      max_active_faults: 1,
    }),
  );
  const clients = await connectBoth(t, proxy, 2);
  const [first, ...others] = clients;
  const delayed = "x-envoy-fault-delay-request: 60000";
  await first?.write(`GET / HTTP/1.1\r\nhost: a\r\n${delayed}\r\n\r\n`);
  await statBecomes(proxy, "http.main.fault.active_faults", 1);
  assert.equal(await served(others, delayed), others.length);
  await statBecomes(proxy, "http.main.fault.faults_overflow", others.length);
});
