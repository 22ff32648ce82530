import assert from "node:assert/strict";
import { test } from "node:test";
import { cidrContains, cidrText, compileCidr, parseIp } from "./cidr.ts";

const cases: readonly (readonly [
  network: string,
  bits: number,
  inside: readonly string[],
  outside: readonly string[],
])[] = [
  [
    "10.0.0.0",
    8,
    ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", "::ffff:a01:203"],
    ["11.0.0.0", "::10.0.0.1", ""],
  ],
  ["10.1.2.3", 32, ["10.1.2.3"], ["10.1.2.2", "10.1.2.4"]],
  ["10.1.2.3", 31, ["10.1.2.2", "10.1.2.3"], ["10.1.2.4"]],
  ["192.168.255.255", 16, ["192.168.0.0"], ["192.169.0.0"]],
  ["0.0.0.0", 0, ["1.2.3.4", "255.255.255.255"], ["::", "2001:db8::1", "name"]],
  [
    "0.0.0.0",
    0,
    ["0.0.0.0"],
    [
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.",
      ".1.2.3",
      "1..2.3",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.a",
      "1.2.3.4 ",
    ],
  ],
  ["128.0.0.0", 1, ["128.0.0.0", "255.1.1.1"], ["127.255.255.255"]],
  ["::", 0, ["::", "2001:db8::1"], ["1.2.3.4", "::ffff:1.2.3.4"]],
  ["2001:db8::", 32, ["2001:db8::1", "2001:db8:ffff::%eth0"], ["2001:db9::", "2001::"]],
  ["2001:db8::1", 128, ["2001:db8::1", "2001:DB8:0:0:0:0:0:1"], ["2001:db8::2"]],
  ["fe80::", 10, ["fe80::1", "febf::1"], ["fec0::1"]],
  ["1:2:3:4:5:6:7:8", 127, ["1:2:3:4:5:6:7:9"], ["1:2:3:4:5:6:7:a"]],
  ["1:2:3:4:5:6:7:8", 65, ["1:2:3:4:7fff::"], ["1:2:3:4:8000::", "1:2:3:5::"]],
];

for (const [network, bits, inside, outside] of cases) {
  test(`${network}/${bits} has its addresses and no other`, () => {
    const cidr = compileCidr({ addressPrefix: network, prefixLen: bits });
    for (const ip of inside) assert.equal(cidrContains(cidr, ip), true, ip);
    for (const ip of outside) assert.equal(cidrContains(cidr, ip), false, ip);
  });
}

test("a network without prefix length is every address of its family", () => {
  assert.equal(cidrContains(compileCidr({ addressPrefix: "10.0.0.1" }), "1.1.1.1"), true);
});

test("what is no network is refused", () => {
  assert.throws(() => compileCidr({ addressPrefix: "10.0.0" }), /malformed IP address: 10.0.0/);
  assert.throws(() => compileCidr({ addressPrefix: "10.0.0.0", prefixLen: 33 }), /prefix_len/);
  assert.throws(() => compileCidr({ addressPrefix: "::", prefixLen: 129 }), /prefix_len/);
});

test("addresses that end in dotted decimals are read", () => {
  assert.deepEqual(parseIp("64:ff9b::1.2.3.4"), parseIp("64:ff9b::102:304"));
  assert.equal(parseIp("1.2.3"), undefined);
});

test("a network is written with its own address", () => {
  const text = (addressPrefix: string, prefixLen: number): string =>
    cidrText(compileCidr({ addressPrefix, prefixLen }));
  assert.equal(text("10.1.255.3", 20), "10.1.240.0/20");
  assert.equal(text("255.255.255.255", 32), "255.255.255.255/32");
  assert.equal(text("1.2.3.4", 0), "0.0.0.0/0");
  assert.equal(text("2001:db8:1fff::1", 36), "2001:db8:1000::/36");
  assert.equal(text("::1", 128), "::1/128");
});
