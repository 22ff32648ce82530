import assert from "node:assert/strict";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { RawClient } from "../../testkit/raw-client.ts";
import type { JsonObject } from "../parity/harness/placeholders.ts";
import {
  bootstrap,
  eventually,
  GET,
  loopback,
  ok,
  start,
  stat,
  temporaryFolder,
} from "./support.ts";

/** The usual listener with other fields. */
function withListener(extra: JsonObject): JsonObject {
  const config = structuredClone(bootstrap([ok])) as {
    static_resources: { listeners: [JsonObject] };
  } & JsonObject;
  config.static_resources.listeners[0] = { ...config.static_resources.listeners[0], ...extra };
  return config;
}

async function asksOften(
  options: { path: string } | { host: string; port: number },
): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(options)));
  for (const client of clients) assert.equal((await client.exchange(GET)).status, 200);
  for (const client of clients) client.close();
}

test("two workers accept from one Unix socket", async (t) => {
  const path = join(temporaryFolder(t), "main.sock");
  const config = withListener({ address: { pipe: { path, mode: 0o600 } } });
  const proxy = await start(t, config, "--concurrency", "2");
  await asksOften({ path });
  await eventually("all are counted", async () =>
    (await stat(proxy, "listener.main.downstream_cx_destroy")) === 20 ? true : undefined,
  );
  proxy.child.kill("SIGTERM");
  assert.equal((await proxy.exited).code, 0);
});

test("two workers accept from one port that nobody else may have", async (t) => {
  const config = withListener({ address: loopback, enable_reuse_port: false });
  const proxy = await start(t, config, "--concurrency", "2");
  const address = proxy.listener("main");
  assert.ok("port" in address);
  await asksOften(address);
  const other = createServer();
  const refused = new Promise((resolve) => other.once("error", resolve));
  other.listen({ ...address, reusePort: true });
  assert.match(String(await refused), /EADDRINUSE/);
});
