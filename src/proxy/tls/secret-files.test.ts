import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { WorkerStats } from "#proxy/stats/worker-stats.ts";
import type { ToWorker } from "#proxy/worker-protocol.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { Authority } from "../../../testkit/pki.ts";
import { SecretFiles } from "./secret-files.ts";

const authority = await Authority.create();
const [one, two] = await Promise.all([authority.issue(), authority.issue()]);

function setUp(t: TestContext, folderOf?: string) {
  const folder = mkdtempSync(join(tmpdir(), "secrets-"));
  const path = join(folderOf ?? folder, "sds.json");
  const stats = new WorkerStats(() => undefined);
  const sent: ToWorker[] = [];
  const warnings: string[] = [];
  let wake: () => void = () => undefined;
  const sdsConfig = { pathConfigSource: { path } };
  const typedConfig = {
    "@type": "x/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: "cert", sdsConfig }] },
  };
  const bootstrap: BootstrapJson = {
    staticResources: {
      clusters: [
        {
          name: "c",
          transportSocket: {
            name: "tls",
            typedConfig,
          },
        },
      ],
    },
  };
  const files = new SecretFiles(bootstrap, {
    clock: new FakeClock(),
    stats,
    log: (_level, message) => {
      warnings.push(message);
      wake();
    },
    broadcast: (message) => {
      sent.push(message);
      wake();
    },
    // Only what this file does itself: the reader of configuration has tests of its own.
    decode: async (_type, text) => JSON.parse(text),
  });
  t.after(() => {
    files.stop();
    rmSync(folder, { recursive: true });
  });
  const until = async (done: () => boolean): Promise<void> => {
    while (!done())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const place = (name: string, text: string): void => {
    writeFileSync(join(folder, "next"), text);
    renameSync(join(folder, "next"), join(folder, name));
  };
  const secret = (certificate: object): void =>
    place(
      "sds.json",
      JSON.stringify({ resources: [{ name: "cert", tlsCertificate: certificate }] }),
    );
  return { folder, path, files, sent, warnings, until, place, secret, stats };
}

const inline = ({ certificate, key }: { certificate: string; key: string }) => ({
  certificateChain: { inlineString: certificate },
  privateKey: { inlineString: key },
});

test("a secret goes to the workers when it comes and when it changes; a bad one does not", async (t) => {
  const { files, sent, warnings, until, secret, path, stats } = setUp(t);
  secret(inline(one));
  await files.start();
  assert.equal(sent.length, 1);
  const [first] = sent;
  assert.ok(first?.kind === "secret");
  assert.equal(first.key, `${path}\ncert`);
  secret({ ...inline(one), privateKey: { inlineString: two.key } });
  await until(() => warnings.length > 0);
  assert.match(warnings[0] ?? "", /the last good secrets stay.*KEY_VALUES_MISMATCH/s);
  secret(inline(two));
  await until(() => sent.length > 1);
  assert.equal(stats.counter("sds.cert.update_success").value, 2);
  assert.equal(stats.counter("sds.cert.update_rejected").value, 1);
});

test("the files that a secret names are part of it", async (t) => {
  const { folder, files, sent, until, place, secret } = setUp(t);
  place("tls.crt", one.certificate);
  place("tls.key", one.key);
  secret({
    certificateChain: { filename: join(folder, "tls.crt") },
    privateKey: { filename: join(folder, "tls.key") },
  });
  await files.start();
  assert.equal(sent.length, 1);
  // In between the key does not fit: refused, and taken with the next move.
  place("tls.crt", two.certificate);
  place("tls.key", two.key);
  await until(() => sent.length > 1);
});

test("a folder that is not there is a warning, and the start goes on", async (t) => {
  const { files, sent, warnings } = setUp(t, "/none/such/folder");
  await files.start();
  assert.match(warnings[0] ?? "", /cannot watch \/none\/such\/folder/);
  assert.equal(sent.length, 0);
});
