import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bySpecificity,
  covers,
  HostTable,
  isWildcard,
  mostSpecific,
  overlap,
  resolveHost,
} from "./hostname.ts";

test("a host covers itself, and a wildcard what ends as it does", () => {
  const yes = [
    ["a.b", "a.b"],
    ["*", "a.b"],
    ["*", "*"],
    ["*", "*.b"],
    ["*.b", "a.b"],
    ["*.b", "c.a.b"],
    ["*.b", "*.b"],
    ["*.b", "*.a.b"],
  ] as const;
  const no = [
    ["a.b", "b"],
    ["a.b", "*.b"],
    ["*.b", "b"],
    ["*.b", ".b"],
    ["*.a.b", "*.b"],
    ["*.b", "a.c"],
    ["*.b", "*"],
    ["*.b", "ab"],
  ] as const;
  for (const [outer, inner] of yes) assert.ok(covers(outer, inner), `${outer} ${inner}`);
  for (const [outer, inner] of no) assert.ok(!covers(outer, inner), `${outer} ${inner}`);
});

test("two hosts overlap when one covers the other", () => {
  assert.ok(overlap("*.a.b", "*.b"));
  assert.ok(overlap("*.b", "*.a.b"));
  assert.ok(!overlap("*.a", "*.b"));
  assert.ok(isWildcard("*.a"));
  assert.ok(!isWildcard("a.*"));
});

test("the most specific host wins: exact, then the longest wildcard", () => {
  const hosts = ["*", "*.com", "*.example.com", "a.example.com", "A.Upper.com"];
  const cases = {
    "a.example.com": "a.example.com",
    "A.EXAMPLE.COM": "a.example.com",
    "b.example.com": "*.example.com",
    "c.b.example.com": "*.example.com",
    "example.com": "*.com",
    com: "*",
    "*.example.com": "*.example.com",
    "*.b.example.com": "*.example.com",
    "a.upper.com": "A.Upper.com",
    "": "*",
  };
  for (const [name, expected] of Object.entries(cases)) {
    assert.equal(mostSpecific(name, hosts), expected, name);
  }
  assert.equal(mostSpecific("a.org", ["*.com"]), undefined);
});

test("a table is asked for the very host, or for the best that covers it", () => {
  const table = new HostTable([["*.b", 1]]);
  table.set("a.b", 2);
  assert.deepEqual(
    [table.match("a.b"), table.match("c.b"), table.get("c.b"), table.get("*.B"), table.match("b")],
    [2, 1, undefined, 1, undefined],
  );
});

test("hosts are tried exact first, then the longer, then by letters", () => {
  const hosts = ["*", "*.b", "b.c", "*.a.b", "a.c", "a.b.c"];
  assert.deepEqual(hosts.toSorted(bySpecificity), ["a.b.c", "a.c", "b.c", "*.a.b", "*.b", "*"]);
});

test("a short name is a service of the rule's namespace; whole names stay", () => {
  const at = { namespace: "shop", domain: "cluster.local" };
  assert.equal(resolveHost("reviews", at), "reviews.shop.svc.cluster.local");
  for (const host of ["reviews.other", "*", "*.a", "10.0.0.1", "::1", ""]) {
    assert.equal(resolveHost(host, at), host);
  }
});
