import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { ipAddress } from "#net/address.ts";
import { compileDetection } from "./original-address.ts";

const xff = "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig";
const peer = ipAddress("10.0.0.9", 1);

type Config = Parameters<typeof compileDetection>[0];

/** The client's address as the configuration finds it in x-forwarded-for. */
function detected(config: Config, ...forwarded: string[]): string | undefined {
  const headers = new HeaderList(forwarded.flatMap((value) => ["x-forwarded-for", value]));
  return compileDetection(config)(headers, peer).address?.ip;
}

const extension = (config: Record<string, unknown>): Config => ({
  originalIpDetectionExtensions: [{ name: "xff", typedConfig: { "@type": xff, ...config } }],
});

const tens = { xffTrustedCidrs: { cidrs: [{ addressPrefix: "10.0.0.0", prefixLen: 8 }] } };

test("trusted hops are skipped from the right, over all fields", () => {
  assert.equal(detected({}, "1.1.1.1", "2.2.2.2"), "2.2.2.2");
  assert.equal(detected({ xffNumTrustedHops: 1 }, "1.1.1.1", "2.2.2.2"), "1.1.1.1");
  assert.equal(detected({ xffNumTrustedHops: 2 }, "1.1.1.1", "2.2.2.2"), undefined);
});

test("trusted networks are skipped up to the first address outside, or to what is no address", () => {
  assert.equal(detected(extension(tens), "1.1.1.1, 2.2.2.2, 10.0.0.1"), "2.2.2.2");
  assert.equal(detected(extension(tens), "10.0.0.2,10.0.0.1"), "10.0.0.2");
  assert.equal(detected(extension(tens), "1.1.1.1,unknown,10.0.0.1"), "10.0.0.1");
  assert.equal(detected(extension(tens), "unknown"), undefined);
  assert.equal(detected(extension(tens)), undefined);
});

test("what contradicts itself is refused", () => {
  const mixed = /may not be mixed/;
  assert.throws(() => compileDetection({ ...extension({}), useRemoteAddress: true }), mixed);
  assert.throws(() => compileDetection({ ...extension({}), xffNumTrustedHops: 1 }), mixed);
  const both = extension({ ...tens, xffNumTrustedHops: 1 });
  assert.throws(() => compileDetection(both), /Cannot set both/);
});
