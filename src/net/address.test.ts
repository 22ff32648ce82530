import assert from "node:assert/strict";
import { it } from "node:test";
import { addressText, ipAddress, isLoopback, pipeAddress } from "./address.ts";

it("spells addresses as Envoy does", () => {
  assert.equal(addressText(ipAddress("10.0.0.1", 80)), "10.0.0.1:80");
  assert.equal(addressText(ipAddress("2001:db8::1", 80)), "[2001:db8::1]:80");
  assert.equal(addressText(pipeAddress("/run/x.sock")), "/run/x.sock");
});

it("knows loopback", () => {
  for (const ip of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    assert.equal(isLoopback(ipAddress(ip, 1)), true, ip);
  for (const ip of ["10.0.0.1", "128.0.0.1", "::2"])
    assert.equal(isLoopback(ipAddress(ip, 1)), false, ip);
  assert.equal(isLoopback(pipeAddress("/x")), true);
});
