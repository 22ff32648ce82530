import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeaderList } from "#http/headers.ts";
import {
  addStatus,
  decodeStatusMessage,
  encodeStatusMessage,
  isGrpcContentType,
  readStatus,
} from "./status.ts";
import { formatGrpcTimeout, parseGrpcTimeout } from "./timeout.ts";

test("a message survives its encoding, which is visible ASCII", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const encoded = encodeStatusMessage(text);
      assert.match(encoded, /^[ -~]*$/);
      assert.equal(decodeStatusMessage(encoded), Buffer.from(text).toString());
    }),
  );
});

test("what is no escape is taken as it stands", () => {
  assert.equal(decodeStatusMessage("100%"), "100%");
  assert.equal(decodeStatusMessage("%zz%41"), "%zzA");
});

test("a status goes into trailers and comes out again", () => {
  const trailers = new HeaderList();
  addStatus(trailers, { code: 9, message: "ä", details: Uint8Array.from([1, 2, 3, 4]) });
  assert.deepEqual(trailers.list, [
    ...["grpc-status", "9", "grpc-message", "%C3%A4"],
    ...["grpc-status-details-bin", "AQIDBA"],
  ]);
  const read = readStatus(trailers);
  assert.deepEqual([read?.code, read?.message], [9, "ä"]);
  assert.deepEqual([...(read?.details ?? [])], [1, 2, 3, 4]);
  assert.equal(readStatus(HeaderList.of({ "grpc-status": "x" })), undefined);
});

test("content types", () => {
  for (const yes of ["application/grpc", "application/grpc+proto"])
    assert.equal(isGrpcContentType(yes), true);
  for (const no of [undefined, "application/grpc-web", "application/grpcx", "text/plain"])
    assert.equal(isGrpcContentType(no), false);
});

test("timeouts in all units, and none that are not", () => {
  assert.equal(parseGrpcTimeout("2H"), 7_200_000);
  assert.equal(parseGrpcTimeout("2M"), 120_000);
  assert.equal(parseGrpcTimeout("2S"), 2000);
  assert.equal(parseGrpcTimeout("2m"), 2);
  assert.equal(parseGrpcTimeout("2000u"), 2);
  assert.equal(parseGrpcTimeout("99999999n"), 99.999999);
  for (const bad of [undefined, "", "1", "S", "123456789S", "-1S", "1s", "1.5S"])
    assert.equal(parseGrpcTimeout(bad), undefined);
});

test("a wait is never made longer by a thousandth, nor too long for the field", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (milliseconds) => {
      const written = formatGrpcTimeout(milliseconds);
      assert.match(written, /^\d{1,8}[HMSmun]$/);
      const read = parseGrpcTimeout(written) ?? 0;
      assert.ok(read >= milliseconds * (1 - 1e-9), `${written} for ${milliseconds}`);
      assert.ok(read <= milliseconds * 1.001 + 0.001, `${written} for ${milliseconds}`);
    }),
  );
});
