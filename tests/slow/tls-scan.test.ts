/**
 * testssl.sh (Debian) over a listener with default TLS settings: protocols, ciphers, forward secrecy and the known attacks. What it says of the
 * certificate and of the HTTP headers is the test's own. Envoy's findings are printed beside ours.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { requireDebian } from "../../testkit/debian.ts";
import { direct, route } from "../parity/harness/config.ts";
import { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { selectedSides } from "../parity/harness/sides.ts";
import { certificates, downstreamTls } from "../parity/harness/tls.ts";
import { bootstrap } from "../proxy/support.ts";

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

const run = promisify(execFile);
const aboveLow: ReadonlySet<string> = new Set(["MEDIUM", "HIGH", "CRITICAL", "FATAL"]);
/** Protocols, standard cipher lists, forward secrecy, server preferences, vulnerabilities. */
const checks = ["--protocols", "--std", "--fs", "--server-preference", "--vulnerable"];

function withTls(): ReturnType<typeof bootstrap> {
  const plain = bootstrap([route({ prefix: "/" }, direct("ok"))]);
  const text = JSON.stringify(plain).replace(
    '"filter_chains":[{',
    `"filter_chains":[{"transport_socket":${JSON.stringify(
      downstreamTls({ certificates: [certificates.rsa, certificates.a] }),
    )},`,
  );
  // Proof: it was made from such an object, with one field more.
  return JSON.parse(text) as ReturnType<typeof bootstrap>;
}

async function scan(folder: string, port: number): Promise<readonly Finding[]> {
  const file = join(folder, "findings.json");
  const options = ["--quiet", "--color", "0", "--warnings", "batch", "--jsonfile", file];
  // Its exit code counts findings.
  await run("testssl", [...options, ...checks, `127.0.0.1:${port}`]).catch(() => undefined);
  return JSON.parse(readFileSync(file, "utf8")) as readonly Finding[];
}

describe("testssl.sh", () => {
  let folder = "";

  before(() => {
    requireDebian(["testssl.sh"]);
    folder = mkdtempSync(join(tmpdir(), "heddle-tls-scan-"));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const side of selectedSides()) {
    it(`finds nothing above low on ${side.name}`, async (t) => {
      const proxy = await ProxyProcess.start({
        side,
        folder: mkdtempSync(join(folder, side.name)),
        bootstrap: withTls(),
        arguments: [],
      });
      t.after(() => proxy.stop());
      const { port } = proxy.listener("main") as { port: number };
      const findings = await scan(mkdtempSync(join(folder, "scan")), port);
      assert.ok(findings.length > 40, `only ${findings.length} findings: did the scan end early?`);
      const bad = findings.filter(({ severity }) => aboveLow.has(severity));
      for (const { id, severity, finding } of findings)
        if (severity !== "OK" && severity !== "INFO") t.diagnostic(`${severity} ${id}: ${finding}`);
      assert.deepEqual(bad, []);
    });
  }
});
