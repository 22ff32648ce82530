import assert from "node:assert/strict";
import { it } from "node:test";
import { runH2spec } from "../../testkit/h2spec.ts";
import { startTinyServer } from "../../testkit/http2/tiny-server.ts";

it("the codec passes every case of h2spec, strict ones too", { timeout: 300_000 }, async () => {
  // Its case for too many streams opens as many as it is told are allowed, which must not take long.
  const server = await startTinyServer({ maxConcurrentStreams: 100 });
  try {
    const verdict = await runH2spec({ port: server.port });
    assert.equal(verdict.failures, "");
    assert.deepEqual([verdict.tests, verdict.passed], [146, 146]);
  } finally {
    server.close();
  }
});
