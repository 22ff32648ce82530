import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { fakeServices } from "../../../testkit/fake-services.ts";
import type { ResolvedAddress } from "../cluster/discovery/resolver.ts";
import { authorityKey, splitAuthority } from "./authority.ts";
import { DnsCache, type DnsHost, type DnsWaiter } from "./dns-cache.ts";
import { compileDnsCache } from "./options.ts";

class Waiter implements DnsWaiter {
  place = -1;
  host: DnsHost | undefined;

  onResolved(host: DnsHost): void {
    this.host = host;
  }
}

/** A cache whose names have the addresses that `answers` says; each question is noted. */
function makeCache(answers: Map<string, readonly ResolvedAddress[]>) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const options = compileDnsCache({ name: "c", dnsLookupFamily: "V4_ONLY", hostTtl: "100s" });
  const resolve = async (name: string) => {
    asked.push(name);
    return answers.get(name) ?? [];
  };
  return { clock, asked, cache: new DnsCache(options, fakeServices({ clock }), { resolve }) };
}

test("an authority's name and port", () => {
  for (const [authority, key, name, port] of [
    ["a.test", "a.test:80", "a.test", 80],
    ["a.test:81", "a.test:81", "a.test", 81],
    ["[::1]", "[::1]:80", "::1", 80],
    ["[::1]:81", "[::1]:81", "::1", 81],
    ["a.test:65536", "a.test:65536:80", "a.test:65536:80", 80],
  ] as const) {
    assert.equal(authorityKey(authority, 80), key);
    assert.deepEqual(splitAuthority(key, 80), { name, port });
  }
});

test("a name is asked for again when its answer is old, and its address stays while it is in the answer", async () => {
  const answers = new Map([["a.test", [{ ip: "10.0.0.1", ttlSeconds: 30 }]]]);
  const { clock, asked, cache } = makeCache(answers);
  const waiter = new Waiter();
  assert.equal(cache.load("a.test", 80, waiter), "loading");
  await turn();
  const { host } = waiter;
  assert.equal(host?.address?.family, 4);
  const first = host?.address;
  answers.set("a.test", [
    { ip: "10.0.0.2", ttlSeconds: 1 },
    { ip: "10.0.0.1", ttlSeconds: 1 },
  ]);
  clock.advance(30_000);
  await turn();
  assert.equal(host?.address, first);
  answers.set("a.test", [{ ip: "10.0.0.2", ttlSeconds: 1 }]);
  // A TTL below the minimum counts as that.
  clock.advance(4999);
  assert.equal(asked.length, 2);
  clock.advance(1);
  await turn();
  assert.equal(asked.length, 3);
  assert.notEqual(host?.address, first);
  assert.equal(cache.load("a.test:80", 443, waiter), host);
});

test("who follows hears of hosts that are there, and of those that leave unused", async () => {
  const { clock, cache } = makeCache(new Map([["a.test", [{ ip: "10.0.0.1", ttlSeconds: 60 }]]]));
  cache.load("a.test", 80, new Waiter());
  await turn();
  const heard: string[] = [];
  cache.follow({
    onAddress: ({ key }) => heard.push(`+${key}`),
    onRemoved: ({ key }) => heard.push(`-${key}`),
  });
  clock.advance(60_000);
  await turn();
  assert.deepEqual(heard, ["+a.test:80"]);
  clock.advance(60_000);
  assert.deepEqual(heard, ["+a.test:80", "-a.test:80"]);
});

test("who no longer waits is not told", async () => {
  const { cache } = makeCache(new Map());
  const [gone, stays] = [new Waiter(), new Waiter()];
  cache.load("a.test", 80, gone);
  cache.load("a.test", 80, stays);
  cache.forget(gone, "a.test", 80);
  await turn();
  assert.equal(gone.host, undefined);
  assert.equal(stays.host?.resolved, true);
});
