import assert from "node:assert/strict";
import { test } from "node:test";
import { objectsOf } from "../../../../testkit/view-of.ts";
import type { VirtualService } from "../../view.ts";
import { ConnectionRules } from "./connection-rules.ts";

const rule = (name: string, hosts: string, routes: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec: { hosts: [${hosts}], ${routes} }`;
const tcp = "tcp: [{ route: [{ destination: { host: a.example.com } }] }]";
const http = "http: [{ route: [{ destination: { host: a.example.com } }] }]";

// Proof: the documents above are nothing else.
const objects = objectsOf(
  [
    rule("wide", "'*.example.com'", tcp),
    rule("requests", "a.example.com", http),
    rule("exact", "a.example.com, b.example.com", tcp),
    rule("other", "'*.example.org'", tcp),
  ].join("\n---"),
) as readonly VirtualService[];

const names = (host: string): readonly string[] =>
  new ConnectionRules(objects).of(host).map(({ metadata }) => metadata.name);

test("rules of connections are found by host, in their order", () => {
  assert.deepEqual(names("a.example.com"), ["wide", "exact"]);
  assert.deepEqual(names("c.example.com"), ["wide"]);
  assert.deepEqual(names("a.example.net"), []);
});

test("a wildcard service has the rules of every name that it covers", () => {
  assert.deepEqual(names("*.example.com"), ["wide", "exact"]);
  assert.deepEqual(names("*.com"), ["wide", "exact"]);
});
