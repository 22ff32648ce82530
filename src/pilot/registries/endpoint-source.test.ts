import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DnsServer } from "../../../testkit/dns-server.ts";
import { describeEndpointSource } from "../../../testkit/endpoint-source-suite.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { dnsAddresses, dnsServices } from "./dns/dns.ts";
import { systemLookup } from "./dns/system-lookup.ts";
import type { FoundEndpoint, Lookup, ServiceRecord } from "./endpoint-source.ts";
import { targetFile } from "./files/files.ts";

type Target = { readonly address: string; readonly port: number };

/** A world of DNS in memory: one name with addresses, and one service whose targets are names of addresses. */
function dnsWorld(rest: string) {
  let targets: readonly Target[] | undefined = [];
  const ask = <T>(answer: (all: readonly Target[]) => T): Promise<T> =>
    targets === undefined
      ? Promise.reject(new Error("SERVFAIL"))
      : Promise.resolve(answer(targets));
  const record = (address: string) => ({ address, ttlSeconds: 5 });
  const lookup: Lookup = {
    addresses: (name) =>
      ask((all) =>
        name === "api.internal"
          ? all.map(({ address }) => record(address))
          : [record(name.replace(".host", ""))],
      ),
    services: () =>
      ask((all) =>
        all.map(({ address, port }) => ({ name: `${address}.host`, port, priority: 1, weight: 1 })),
      ),
  };
  return {
    rest,
    lookup,
    set: (next: readonly Target[]) => {
      targets = next;
    },
    fail: () => {
      targets = undefined;
    },
    close: () => undefined,
  };
}

describeEndpointSource(dnsAddresses, () => dnsWorld("api.internal"));
describeEndpointSource(dnsServices, () => dnsWorld("_http._tcp.api.internal"));
describeEndpointSource(targetFile, () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-targets-"));
  const rest = join(folder, "targets.json");
  let version = 0;
  // Another length each time: two writes may fall into one tick of the file system's clock.
  const write = (text: string): void => writeFileSync(rest, text + " ".repeat(++version));
  return {
    rest,
    set: (targets) =>
      write(
        JSON.stringify([{ targets: targets.map(({ address, port }) => `${address}:${port}`) }]),
      ),
    fail: () => write("[{"),
    close: () => rmSync(folder, { recursive: true }),
  };
});

test("of SRV records those with the best priority count, with port and weight", async () => {
  const services: readonly ServiceRecord[] = [
    { name: "backup", port: 9, priority: 20, weight: 1 },
    { name: "one", port: 81, priority: 10, weight: 3 },
    { name: "two", port: 82, priority: 10, weight: 1 },
  ];
  const lookup: Lookup = {
    services: () => Promise.resolve(services),
    addresses: (name) =>
      Promise.resolve([{ address: name === "one" ? "10.0.0.1" : "10.0.0.2", ttlSeconds: 60 }]),
  };
  const found = Promise.withResolvers<readonly FoundEndpoint[]>();
  const stop = dnsServices.start(
    "_http._tcp.api",
    { found: found.resolve, problem: () => undefined },
    { clock: new FakeClock(), lookup },
  );
  assert.deepEqual(await found.promise, [
    { address: "10.0.0.1", port: 81, weight: 3, labels: {} },
    { address: "10.0.0.2", port: 82, weight: 1, labels: {} },
  ]);
  stop();
});

test("the system's lookup: both families, a name that does not exist has no addresses, a failing server is a failure", async (context) => {
  const server = await new DnsServer().listen();
  context.after(() => server.close());
  server.names.set("api.test", { a: ["10.0.0.1"], aaaa: ["2001:db8::1"], ttl: 7 });
  server.names.set("broken.test", { failing: true });
  const lookup = systemLookup([`127.0.0.1:${server.port}`]);
  assert.deepEqual(await lookup.addresses("api.test"), [
    { address: "10.0.0.1", ttlSeconds: 7 },
    { address: "2001:db8::1", ttlSeconds: 7 },
  ]);
  assert.deepEqual(await lookup.addresses("absent.test"), []);
  await assert.rejects(lookup.addresses("broken.test"), /ESERVFAIL/);
});

test("a file of targets: labels, addresses without a port, IPv6; what is wrong is named with its place", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-targets-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const read = (text: string): unknown => {
    const path = join(folder, "targets.yaml");
    writeFileSync(path, text);
    let heard: unknown;
    const listen = (value: unknown): void => {
      heard = value ?? heard;
    };
    const clock = new FakeClock();
    const services = { clock, lookup: dnsWorld("").lookup };
    targetFile.start(path, { found: listen, problem: listen }, services)();
    return heard;
  };
  assert.deepEqual(
    read('- targets: ["10.0.0.1:81", "10.0.0.2", "[2001:db8::1]:82"]\n  labels: {zone: a, __x: b}'),
    [
      { address: "10.0.0.1", port: 81, labels: { zone: "a" }, weight: 0 },
      { address: "10.0.0.2", labels: { zone: "a" }, weight: 0 },
      { address: "2001:db8::1", port: 82, labels: { zone: "a" }, weight: 0 },
    ],
  );
  assert.match(String(read('[{targets: ["api:80"]}]')), /^\[0\]\.targets\[0\]: must be an IP/);
  assert.match(String(read("[{target: []}]")), /^\[0\]\.targets: must be a list/);
  assert.match(String(read("{}")), /^must be a list of groups/);
});
