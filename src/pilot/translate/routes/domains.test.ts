import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service } from "#model/service.ts";
import { fakeService } from "../../../../testkit/outbound-scope.ts";
import { serviceDomains } from "./domains.ts";

function domainsOf(
  service: Service,
  {
    namespace = "default",
    port,
    aliases = [],
    dnsCapture = false,
  }: {
    readonly namespace?: string;
    readonly port?: number;
    readonly aliases?: readonly string[];
    readonly dnsCapture?: boolean;
  } = {},
): readonly string[] {
  const caller = { namespace, domain: "cluster.local", dnsCapture };
  return serviceDomains(service, { aliases, port, caller }).domains;
}

test("a service of the caller's namespace is called by its short name too", () => {
  assert.deepEqual(domainsOf(fakeService("reviews", [80])), [
    "reviews.default.svc.cluster.local",
    "reviews.default.svc.cluster.local.",
    "reviews",
    "reviews.default.svc",
    "reviews.default",
  ]);
});

test("one of another namespace is called with its namespace", () => {
  assert.deepEqual(domainsOf(fakeService("reviews.prod", [80])), [
    "reviews.prod.svc.cluster.local",
    "reviews.prod.svc.cluster.local.",
    "reviews.prod",
    "reviews.prod.svc",
  ]);
});

test("a host outside the cluster has no short names", () => {
  assert.deepEqual(domainsOf(fakeService("API.example.com", [80])), [
    "api.example.com",
    "api.example.com.",
  ]);
});

test("where the port counts, each name is there with and without it", () => {
  assert.deepEqual(
    domainsOf(fakeService("a.example.com", [80], { addresses: ["10.0.0.9"] }), { port: 80 }),
    [
      "a.example.com",
      "a.example.com:80",
      "a.example.com.",
      "a.example.com.:80",
      "10.0.0.9",
      "10.0.0.9:80",
    ],
  );
});

test("addresses are names; blocks of addresses and no address are not", () => {
  const addresses = ["10.0.0.1", "0.0.0.0", "10.1.0.0/16", "10.2.0.1/32", "2001:db8::1"];
  assert.deepEqual(
    domainsOf(fakeService("a.b", [80], { hostname: "x.example.com", addresses })).slice(2),
    ["10.0.0.1", "10.2.0.1", "[2001:db8::1]"],
  );
});

test("an address of Pilot's own choice is one only for callers whose DNS gives it", () => {
  const service = fakeService("x.example.com", [80], { autoAddress: "240.240.0.1" });
  assert.equal(domainsOf(service).includes("240.240.0.1"), false);
  assert.equal(domainsOf(service, { dnsCapture: true }).includes("240.240.0.1"), true);
});

test("pods of a headless service have names below it", () => {
  const domains = domainsOf(fakeService("db", [80], { resolution: "passthrough" }));
  assert.equal(domains.includes("*.db.default.svc.cluster.local"), true);
  assert.equal(domains.includes("*.db"), true);
});

test("aliases are further names", () => {
  const aliases = ["old.default.svc.cluster.local"];
  const domains = domainsOf(fakeService("reviews", [80]), { aliases });
  assert.deepEqual(domains.slice(5), [
    "old.default.svc.cluster.local",
    "old.default.svc.cluster.local.",
    "old",
    "old.default.svc",
    "old.default",
  ]);
});
