import assert from "node:assert/strict";
import { it } from "node:test";
import { runH2spec } from "../../testkit/h2spec.ts";
import { startTinyServer, type TinyServer } from "../../testkit/http2/tiny-server.ts";
import { serverSettings } from "../../testkit/tls-sides.ts";

// Its case for too many streams opens as many as it is told are allowed, which must not take long.
const options = { maxConcurrentStreams: 100 };

async function judge(server: TinyServer, tls: boolean): Promise<void> {
  try {
    const verdict = await runH2spec({ port: server.port, tls });
    assert.equal(verdict.failures, "");
    assert.deepEqual([verdict.tests, verdict.passed], [146, 146]);
  } finally {
    server.close();
  }
}

it("the codec passes every case of h2spec, strict ones too", { timeout: 300_000 }, async () => {
  await judge(await startTinyServer(options), false);
});

it("and over TLS", { timeout: 300_000 }, async () => {
  const alpn = Buffer.from("\x02h2", "latin1");
  await judge(await startTinyServer(options, serverSettings({ alpn })), true);
});
