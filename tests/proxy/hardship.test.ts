import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { RawClient } from "../../testkit/raw-client.ts";
import { extension } from "../parity/harness/config.ts";
import { ProxyProcess } from "../parity/harness/proxy-process.ts";
import {
  bootstrap,
  connect,
  eventually,
  GET,
  ok,
  side,
  start,
  stat,
  statBecomes,
  temporaryFolder,
} from "./support.ts";

/** What happens to a proxy that nobody planned: it says so or survives, and the service goes on. */

const served = async (t: TestContext, proxy: ProxyProcess): Promise<void> => {
  assert.equal((await (await connect(t, proxy)).exchange(GET)).status, 200);
};

test("a killed proxy leaves nothing that keeps the next from starting", async (t) => {
  const path = join(temporaryFolder(t), "socket");
  const config = bootstrap([ok]);
  const [listener] = (config["static_resources"] as { listeners: Record<string, unknown>[] })
    .listeners;
  assert.ok(listener !== undefined);
  const onPipe = {
    ...config,
    static_resources: { listeners: [{ ...listener, address: { pipe: { path } } }] },
  };
  const first = await start(t, onPipe);
  const client = await RawClient.connect({ path });
  t.after(() => client.close());
  assert.equal((await client.exchange(GET)).status, 200);
  first.child.kill("SIGKILL");
  assert.equal((await first.exited).signal, "SIGKILL");
  assert.notEqual(await client.ended(), "open");
  assert.ok(existsSync(path), "the socket's file is still there");

  await start(t, onPipe);
  const next = await RawClient.connect({ path });
  t.after(() => next.close());
  assert.equal((await next.exchange(GET)).status, 200);
});

test("a thousand connections that say nothing take no service away", async (t) => {
  const proxy = await start(t, bootstrap([ok]));
  const clients: RawClient[] = [];
  for (let round = 0; round < 20; round++) {
    const batch = Array.from({ length: 50 }, () => connect(t, proxy));
    clients.push(...(await Promise.all(batch)));
  }
  await statBecomes(proxy, "http.main.downstream_cx_active", 1000);
  await served(t, proxy);
  for (const client of clients) client.close();
  await eventually("they are gone", async () =>
    ((await stat(proxy, "http.main.downstream_cx_active")) ?? 0) <= 1 ? true : undefined,
  );
  await served(t, proxy);
});

/** A proxy that may open few files. */
async function startWithFiles(t: TestContext, limit: number): Promise<ProxyProcess> {
  const [command = "", ...rest] = side.command();
  const limited = {
    ...side,
    command: () => ["sh", "-c", `ulimit -n ${limit} && exec "$0" "$@"`, command, ...rest],
  };
  const folder = temporaryFolder(t);
  const proxy = await ProxyProcess.start({
    side: limited,
    bootstrap: bootstrap([ok]),
    folder,
    arguments: [],
  });
  t.after(() => proxy.stop());
  return proxy;
}

test("without file descriptors connections are refused, and taken again when there are some", async (t) => {
  const proxy = await startWithFiles(t, 64);
  const clients: RawClient[] = [];
  for (let i = 0; i < 100; i++) clients.push(await connect(t, proxy));
  await Promise.race(clients.map((client) => client.ended()));
  assert.equal(proxy.running, true);
  for (const client of clients) client.close();
  await eventually("service again", async () => {
    const client = await connect(t, proxy);
    const status = await client.exchange(GET).then(
      (answer) => answer.status,
      () => undefined,
    );
    client.close();
    return status === 200 ? true : undefined;
  });
});

test("a full disk costs access log lines, which are counted, and no answer", async (t) => {
  const log = extension(
    "envoy.access_loggers.file",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    { path: "/dev/full" },
  );
  const proxy = await start(t, bootstrap([ok], { manager: { access_log: [log] } }));
  const client = await connect(t, proxy);
  for (let i = 0; i < 3; i++) assert.equal((await client.exchange(GET)).status, 200);
  await eventually("it is counted", async () =>
    ((await stat(proxy, "filesystem.write_failed")) ?? 0) > 0 ? true : undefined,
  );
  assert.equal((await client.exchange(GET)).status, 200);
  const told = /access log \/dev\/full cannot be written, its lines are lost: .*ENOSPC/g;
  assert.equal(proxy.output.match(told)?.length, 1, proxy.output);
});

test("two signals to reopen logs at once are as one", async (t) => {
  const proxy = await start(t, bootstrap([ok]));
  proxy.child.kill("SIGUSR1");
  proxy.child.kill("SIGUSR1");
  await served(t, proxy);
});
