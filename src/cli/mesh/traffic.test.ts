import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { Traffic } from "./traffic.ts";

test("visitors come at their pace, one after the other, and are counted by how they fare", async (t) => {
  const cookies: (string | undefined)[] = [];
  let seen = (): void => {};
  const server = createServer((request, response) => {
    cookies.push(request.headers.cookie);
    response.statusCode = request.headers.cookie === undefined ? 200 : 503;
    response.end("ok");
    seen();
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const clock = new FakeClock();
  // Proof: it listens on TCP.
  const { port } = server.address() as AddressInfo;
  const users = [undefined, "jason"];
  const traffic = new Traffic({ port, path: "/page", perSecond: 10, clock, users });
  t.after(() => traffic.destroy());
  traffic.start();
  for (let i = 0; i < 4; i++) {
    const arrived = new Promise<void>((resolve) => {
      seen = resolve;
    });
    clock.advance(100);
    await arrived;
  }
  assert.deepEqual(cookies, [undefined, "user=jason", undefined, "user=jason"]);
  assert.equal(traffic.count.sent, 4);
  traffic.stop();
  assert.equal(traffic.running, false);
  clock.advance(1000);
  assert.equal(traffic.count.sent, 4);
  traffic.start();
  const last = new Promise<void>((resolve) => {
    seen = resolve;
  });
  clock.advance(100);
  await last;
  while (traffic.count.good + traffic.count.bad < 5) await new Promise(setImmediate);
  assert.deepEqual(traffic.count, { sent: 5, good: 3, bad: 2 });
});
