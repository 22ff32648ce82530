import assert from "node:assert/strict";
import { test } from "node:test";
import { allocateAddresses, autoAddressesMax } from "./auto-address.ts";

test("a host has the address that Istio gives it", () => {
  assert.equal(allocateAddresses(["default/istio.io"]).get("default/istio.io"), "240.240.122.168");
});

test("a host of two ServiceEntries has one address, the lower of two places", () => {
  const addresses = allocateAddresses(["default/istio.io", "default/istio.io"]);
  assert.deepEqual([...addresses], [["default/istio.io", "240.240.91.120"]]);
});

test("an address does not depend on the other hosts", () => {
  const others = Array.from({ length: 500 }, (_, index) => `default/${index}.example.com`);
  const addresses = allocateAddresses([...others, "default/istio.io"]);
  assert.equal(addresses.get("default/istio.io"), "240.240.122.168");
  assert.ok(new Set(addresses.values()).size >= 500);
});

test("a full block has no more addresses", () => {
  const keys = Array.from({ length: autoAddressesMax + 10 }, (_, index) => `default/${index}`);
  const addresses = allocateAddresses(keys);
  assert.equal(addresses.size, autoAddressesMax);
  assert.equal(new Set(addresses.values()).size, autoAddressesMax);
  for (const address of addresses.values()) assert.doesNotMatch(address, /\.(?:0|255)$/);
});
