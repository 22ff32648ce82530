import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DnsServer } from "../../../../testkit/dns-server.ts";
import { type Resolver, systemResolver } from "./resolver.ts";

const server = new DnsServer();
const folder = mkdtempSync(join(tmpdir(), "resolver-"));
const hosts = join(folder, "hosts");
let resolver: Resolver;

before(async () => {
  await server.listen();
  writeFileSync(hosts, "127.0.0.9 listed.test other.test # a comment\n::9 listed.test\n");
  const servers = [`127.0.0.1:${server.port}`];
  resolver = systemResolver({ getaddrinfo: false, servers, timeoutMs: 5000, tries: 1 }, hosts);
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

test("a server's addresses come with their time to live", async () => {
  server.names.set("two.test", { a: ["10.0.0.1", "10.0.0.2"], aaaa: ["2001:db8::7"], ttl: 17 });
  assert.deepEqual(await resolver.resolve("two.test", 4), [
    { ip: "10.0.0.1", ttlSeconds: 17 },
    { ip: "10.0.0.2", ttlSeconds: 17 },
  ]);
  assert.deepEqual(await resolver.resolve("two.test", 6), [{ ip: "2001:db8::7", ttlSeconds: 17 }]);
});

test("an unknown name, and a name without addresses of the family, are empty answers", async () => {
  server.names.set("four.test", { a: ["10.0.0.1"] });
  assert.deepEqual(await resolver.resolve("nobody.test", 4), []);
  assert.deepEqual(await resolver.resolve("four.test", 6), []);
});

test("a failing server is a rejection", async () => {
  server.names.set("bad.test", { failing: true });
  await assert.rejects(resolver.resolve("bad.test", 4), { code: "ESERVFAIL" });
});

test("the hosts file is asked first", async () => {
  server.names.set("listed.test", { a: ["10.0.0.1"] });
  assert.deepEqual(await resolver.resolve("Listed.test", 4), [
    { ip: "127.0.0.9", ttlSeconds: undefined },
  ]);
  assert.deepEqual(await resolver.resolve("listed.test", 6), [
    { ip: "::9", ttlSeconds: undefined },
  ]);
  assert.ok(!server.questions.some((question) => question.startsWith("listed.test")));
});

test("an address is its own answer", async () => {
  assert.deepEqual(await resolver.resolve("10.0.0.5", 4), [
    { ip: "10.0.0.5", ttlSeconds: undefined },
  ]);
  assert.deepEqual(await resolver.resolve("10.0.0.5", 6), []);
});

test("localhost is found by getaddrinfo", async () => {
  const system = systemResolver({ getaddrinfo: true, servers: [], timeoutMs: 0, tries: 0 });
  assert.deepEqual(await system.resolve("localhost", 4), [
    { ip: "127.0.0.1", ttlSeconds: undefined },
  ]);
});
