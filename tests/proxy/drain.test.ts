import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { byHand, response } from "../../testkit/fake-upstream.ts";
import { extension } from "../parity/harness/config.ts";
import {
  bootstrap,
  cluster,
  connect,
  eventually,
  GET,
  ok,
  refuses,
  start,
  temporaryFolder,
  upstream,
} from "./support.ts";

const toMain = { match: { prefix: "/" }, route: { cluster: "main" } };

for (const workers of ["1", "2"]) {
  test(`SIGTERM with ${workers} workers: idle connections end, the request in flight is answered`, async (t) => {
    const server = await upstream(t, byHand());
    const config = bootstrap([toMain], { clusters: [cluster("main", server.port)] });
    const proxy = await start(t, config, "--concurrency", workers);
    const idle = await connect(t, proxy);
    const busy = await connect(t, proxy);
    await busy.write(GET);
    const connection = await server.connection();
    await connection.request();

    proxy.child.kill("SIGTERM");
    assert.match(await idle.ended(), /closed/);
    await eventually("the port is closed", () => refuses(proxy));
    assert.equal(proxy.running, true);

    await connection.write(response(200, "late"));
    const answer = await busy.response();
    assert.deepEqual([answer.status, answer.body], [200, "late"]);
    assert.equal(answer.header("connection"), "close");
    busy.end();
    const { code, signal } = await proxy.exited;
    assert.deepEqual([code, signal], [0, null]);
  });
}

test("a second SIGTERM ends at once", async (t) => {
  const server = await upstream(t, byHand());
  const proxy = await start(t, bootstrap([toMain], { clusters: [cluster("main", server.port)] }));
  const idle = await connect(t, proxy);
  const busy = await connect(t, proxy);
  await busy.write(GET);
  await (await server.connection()).request();

  proxy.child.kill("SIGTERM");
  await idle.ended();
  proxy.child.kill("SIGTERM");
  const { code } = await proxy.exited;
  assert.equal(code, 0);
  assert.notEqual(await busy.ended(), "open");
});

test("the drain time ends what does not end by itself", async (t) => {
  const server = await upstream(t, byHand());
  const config = bootstrap([toMain], { clusters: [cluster("main", server.port)] });
  const proxy = await start(t, config, "--drain-time-s", "0");
  const busy = await connect(t, proxy);
  await busy.write(GET);
  await (await server.connection()).request();
  proxy.child.kill("SIGTERM");
  assert.equal((await proxy.exited).code, 0);
});

test("SIGHUP changes nothing; SIGINT ends the proxy", async (t) => {
  const proxy = await start(t, bootstrap([ok]), "-l", "info");
  const client = await connect(t, proxy);
  proxy.child.kill("SIGHUP");
  await eventually("the log says so", () => proxy.output.includes("SIGHUP") || undefined);
  assert.equal((await client.exchange(GET)).status, 200);
  client.close();
  proxy.child.kill("SIGINT");
  assert.equal((await proxy.exited).code, 0);
});

for (const workers of ["1", "2"]) {
  test(`SIGUSR1 with ${workers} workers opens access logs anew`, async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, "access");
    const log = extension(
      "envoy.access_loggers.file",
      "envoy.extensions.access_loggers.file.v3.FileAccessLog",
      { path, log_format: { text_format_source: { inline_string: "%REQ(:PATH)%\n" } } },
    );
    const config = bootstrap([ok], { manager: { access_log: [log] } });
    const proxy = await start(
      t,
      config,
      "--concurrency",
      workers,
      "--file-flush-interval-msec",
      "10",
    );
    const client = await connect(t, proxy);
    const lines = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "");

    await client.exchange("GET /before HTTP/1.1\r\nhost: a\r\n\r\n");
    await eventually("the first line", () => lines(path) === "/before\n" || undefined);
    renameSync(path, `${path}.1`);
    proxy.child.kill("SIGUSR1");
    await eventually("a new file", () => existsSync(path) || undefined);
    await client.exchange("GET /after HTTP/1.1\r\nhost: a\r\n\r\n");
    // With more workers the new file may be another's, and this one's reopening a moment later.
    await eventually(
      "the second line",
      () => (lines(path) + lines(`${path}.1`)).includes("/after") || undefined,
    );
    if (workers === "1") assert.equal(lines(path), "/after\n");
    assert.match(lines(`${path}.1`), /^\/before\n/);
  });
}
