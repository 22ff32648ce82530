import assert from "node:assert/strict";
import { test } from "node:test";
import { type Address, addressText, ipAddress, pipeAddress } from "#net/address.ts";
import { parseProxyHeader } from "../filters/listener/proxy-protocol/header.ts";
import { ProxyOptions } from "../proxy-options.ts";
import { writeHeader1, writeHeader2 } from "./write-header.ts";

const writers = { 1: writeHeader1, 2: writeHeader2 };
const both = { v1: true, v2: true };

function roundTrip(version: 1 | 2, source: Address, destination: Address): string {
  const bytes = writers[version](new ProxyOptions({ source, destination, tlvs: [] }));
  const header = parseProxyHeader(bytes, both);
  assert.ok(typeof header !== "string", String(header));
  assert.equal(header.version, version);
  assert.equal(header.size, bytes.length);
  const { addresses } = header;
  if (addresses === undefined) return "own";
  return `${addressText(addresses.source)} ${addressText(addresses.destination)}`;
}

for (const version of [1, 2] as const) {
  test(`version ${version} is read as it was written`, () => {
    const four = [ipAddress("1.2.3.4", 5), ipAddress("250.7.8.9", 65_535)] as const;
    assert.equal(roundTrip(version, ...four), "1.2.3.4:5 250.7.8.9:65535");
    const six = [ipAddress("2001:db8::1", 5), ipAddress("::ffff:1.2.3.4", 6)] as const;
    assert.equal(roundTrip(version, ...six), "[2001:db8::1]:5 [::ffff:1.2.3.4]:6");
  });

  test(`version ${version} maps IPv4 beside IPv6`, () => {
    const mixed = [ipAddress("1.2.3.4", 5), ipAddress("2001:db8::1", 6)] as const;
    assert.equal(roundTrip(version, ...mixed), "[::ffff:1.2.3.4]:5 [2001:db8::1]:6");
  });

  test(`version ${version} has nothing to say about Unix sockets`, () => {
    assert.equal(roundTrip(version, pipeAddress(""), pipeAddress("/run/a.sock")), "own");
  });
}

test("TLVs that do not fit are left out", () => {
  const tlvs = [
    { type: 1, value: Buffer.alloc(40_000) },
    { type: 2, value: Buffer.alloc(40_000) },
    { type: 3, value: Buffer.from("small") },
  ];
  const bytes = writeHeader2({
    source: ipAddress("1.2.3.4", 5),
    destination: ipAddress("1.2.3.5", 6),
    tlvs,
  });
  const header = parseProxyHeader(bytes, both);
  assert.ok(typeof header !== "string");
  assert.deepEqual(
    header.tlvs.map(({ type }) => type),
    [1, 3],
  );
});
