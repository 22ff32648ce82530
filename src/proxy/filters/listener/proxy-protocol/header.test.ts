import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addressText } from "#net/address.ts";
import { addresses4, addresses6, proxyHeader2, tlv } from "../../../../../testkit/proxy-header.ts";
import { seededRandom } from "../../../../../testkit/seeded-random.ts";
import { type HeaderOutcome, headerBytesMax, parseProxyHeader } from "./header.ts";

const both = { v1: true, v2: true };
const parse = (bytes: Buffer | string): HeaderOutcome =>
  parseProxyHeader(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes, both);

/** `v1 SOURCE DESTINATION [type=value]`, `v1 own` or the outcome's name. */
function told(outcome: HeaderOutcome): string {
  if (typeof outcome === "string") return outcome;
  const { version, addresses, tlvs } = outcome;
  if (addresses === undefined) return `v${version} own`;
  const { source, destination } = addresses;
  const values = tlvs.map(({ type, value }) => ` ${type}=${Buffer.from(value).toString("latin1")}`);
  return `v${version} ${addressText(source)} ${addressText(destination)}${values.join("")}`;
}

const lines: readonly (readonly [string, string])[] = [
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\n", "v1 1.2.3.4:1000 5.6.7.8:80"],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 0 0080\r\n", "v1 1.2.3.4:0 5.6.7.8:80"],
  ["PROXY TCP6 2001:DB8::1 2001:0db8:0:0::2 1 2\r\n", "v1 [2001:db8::1]:1 [2001:db8::2]:2"],
  ["PROXY TCP6 ::ffff:1.2.3.4 ::1.2.3.4 1 2\r\n", "v1 [::ffff:1.2.3.4]:1 [::1.2.3.4]:2"],
  ["PROXY UNKNOWN\r\n", "v1 own"],
  ["PROXY UNKNOWN ffff:: what 1 ever\r\n", "v1 own"],
  [`PROXY UNKNOWN${" ".repeat(93)}\r\n`, "v1 own"],
  [`PROXY UNKNOWN${" ".repeat(94)}\r\n`, "bad"],
  [`PROXY UNKNOWN${" ".repeat(200)}`, "endless"],
  ["PROXY UNKNOWNX\r\n", "bad"],
  ["PROXY \r\n", "bad"],
  ["PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", "bad"],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 70000 80\r\n", "bad"],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 -1 80\r\n", "bad"],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 +1 80\r\n", "bad"],
  ["PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n", "bad"],
  ["PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", "bad"],
  ["PROXY TCP4 ::1 ::2 1 2\r\n", "bad"],
  ["PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "bad"],
  ["PROXY TCP6 fe80::1%lo ::2 1 2\r\n", "bad"],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "bad"],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", "bad"],
  ["PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", "bad"],
  ["PROXY TCP4 224.0.0.1 5.6.7.8 1 2\r\n", "bad"],
  ["PROXY TCP4 255.255.255.255 5.6.7.8 1 2\r\n", "bad"],
  ["PROXY TCP4 1.2.3.4 0.0.0.0 1 2\r\n", "bad"],
  ["PROXY TCP6 :: ::1 1 2\r\n", "bad"],
  ["PROXY TCP6 ff02::1 ::1 1 2\r\n", "bad"],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "more"],
  ["PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n", "none"],
  ["proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "none"],
  ["GET / HTTP/1.1\r\n", "none"],
  ["\r\n\r\nGET", "none"],
];

const binary: readonly (readonly [string, Buffer, string])[] = [
  ["TCP over IPv4", proxyHeader2(), "v2 1.2.3.4:4660 5.6.7.8:80"],
  [
    "TCP over IPv6",
    proxyHeader2({ family: 0x21, addresses: addresses6 }),
    "v2 [2001:db8::1]:4660 [2001:db8::2]:80",
  ],
  ["UDP over IPv4", proxyHeader2({ family: 0x12 }), "v2 1.2.3.4:4660 5.6.7.8:80"],
  [
    "TLVs",
    proxyHeader2({ tlvs: [tlv(2, "ab"), tlv(4, "")] }),
    "v2 1.2.3.4:4660 5.6.7.8:80 2=ab 4=",
  ],
  ["LOCAL", proxyHeader2({ versionCommand: 0x20, addresses: Buffer.alloc(0) }), "v2 own"],
  ["LOCAL with addresses", proxyHeader2({ versionCommand: 0x20 }), "v2 own"],
  ["LOCAL with what nobody knows", proxyHeader2({ versionCommand: 0x20, family: 0x55 }), "v2 own"],
  ["Unix socket", proxyHeader2({ family: 0x31, addresses: Buffer.alloc(216) }), "bad"],
  ["unspecified family", proxyHeader2({ family: 0, addresses: Buffer.alloc(0) }), "bad"],
  ["unspecified protocol", proxyHeader2({ family: 0x10 }), "bad"],
  ["protocol 3", proxyHeader2({ family: 0x13 }), "bad"],
  ["version 1", proxyHeader2({ versionCommand: 0x11 }), "bad"],
  ["version 3", proxyHeader2({ versionCommand: 0x31 }), "bad"],
  ["command 2", proxyHeader2({ versionCommand: 0x22 }), "bad"],
  ["addresses cut short", proxyHeader2({ addresses: addresses4.subarray(0, 11) }), "bad"],
  ["IPv4 addresses as IPv6", proxyHeader2({ family: 0x21 }), "bad"],
  ["a TLV's head cut short", proxyHeader2({ tlvs: [Buffer.from([2, 0])] }), "bad"],
  ["a TLV's value cut short", proxyHeader2({ tlvs: [Buffer.from([2, 0, 2, 1])] }), "bad"],
  [
    "multicast source",
    proxyHeader2({ addresses: Buffer.concat([Buffer.from([239]), addresses4.subarray(1)]) }),
    "bad",
  ],
];

describe("PROXY protocol header", () => {
  for (const [line, expected] of lines)
    test(`${JSON.stringify(line.slice(0, 50))} is ${expected}`, () =>
      assert.equal(told(parse(line)), expected));

  for (const [name, bytes, expected] of binary)
    test(`version 2 with ${name} is ${expected}`, () => assert.equal(told(parse(bytes)), expected));

  test("the bytes behind the header are not its own", () => {
    for (const [, bytes] of binary) {
      const outcome = parse(Buffer.concat([bytes, Buffer.from("payload")]));
      if (typeof outcome !== "string") assert.equal(outcome.size, bytes.length);
    }
  });

  test("a header cut anywhere wants more, and never says something else", () => {
    const all = [
      ...lines.map(([line, expected]) => [Buffer.from(line, "latin1"), expected] as const),
      ...binary.map(([, bytes, expected]) => [bytes, expected] as const),
    ];
    for (const [bytes, expected] of all) {
      for (let size = 1; size < bytes.length; size++) {
        const early = told(parse(bytes.subarray(0, size)));
        // What is refused may be refused before it is whole, but only as what it is.
        const isSame = early === expected || (early === "endless" && expected === "bad");
        assert.ok(early === "more" || isSame, `${early} at ${size} of ${bytes}`);
      }
    }
  });

  test("a version that is not looked for is payload", () => {
    assert.equal(
      parseProxyHeader(Buffer.from("PROXY UNKNOWN\r\n"), { v1: false, v2: true }),
      "none",
    );
    assert.equal(parseProxyHeader(proxyHeader2(), { v1: true, v2: false }), "none");
    assert.equal(parseProxyHeader(Buffer.from("P"), { v1: false, v2: true }), "none");
  });

  test("whatever is mutated, the size stays within the bytes and the limit", () => {
    const random = seededRandom(7);
    const seeds = [
      ...lines.map(([line]) => Buffer.from(line, "latin1")),
      ...binary.map(([, bytes]) => bytes),
    ];
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(seeds[random.below(seeds.length)] ?? Buffer.alloc(0));
      for (let i = random.below(4); i >= 0; i--)
        bytes[random.below(bytes.length)] = random.below(256);
      const outcome = parse(bytes);
      if (typeof outcome === "string") continue;
      assert.ok(outcome.size <= bytes.length && outcome.size <= headerBytesMax);
    }
  });
});
