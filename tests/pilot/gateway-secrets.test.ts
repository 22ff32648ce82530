/** Certificates of a gateway while their Secrets come, change and go. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { after, before, suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "node:tls";
import { renderBootstrap } from "#agent/bootstrap.ts";
import { Authority, type Issued } from "../../testkit/pki.ts";
import { objectsOf } from "../../testkit/view-of.ts";
import { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { envoy, heddle } from "../parity/harness/sides.ts";
import { TestPilot } from "./harness/mesh.ts";
import { Network } from "./harness/network.ts";

const host = "shop.example";
const port = 20_443;

const gateway = (mode: "SIMPLE" | "MUTUAL"): string => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { app: ingress }
  servers:
    - port: { number: 443, name: https, protocol: HTTPS }
      hosts: [${host}]
      tls: { mode: ${mode}, credentialName: shop }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop, namespace: default }
spec:
  hosts: [${host}]
  gateways: [edge]
  http: [{ directResponse: { status: 200, body: { string: open } } }]
`;

function secret(name: string, data: Readonly<Record<string, string>>): string {
  const encoded = Object.entries(data).map(
    ([key, text]) => `  ${key}: ${Buffer.from(text).toString("base64")}`,
  );
  return `---
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: default }
data:
${encoded.join("\n")}
`;
}

const pair = ({ certificate, key }: Issued): Readonly<Record<string, string>> => ({
  "tls.crt": certificate,
  "tls.key": key,
});

/** A busy machine is slow; what never comes is a fault. */
const withinMs = 60_000;

for (const side of [envoy, heddle]) {
  suite(`Secrets of a gateway: ${side.name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "heddle-gateway-secrets-"));
    const pilot = new TestPilot();
    let network: Network | undefined;
    let proxy: ProxyProcess | undefined;
    let address = "";

    before(async () => {
      network = await Network.claim();
      address = network.address("201.1");
      await pilot.start();
      const bootstrap = renderBootstrap({
        workload: {
          type: "router",
          name: "ingress-1",
          namespace: "default",
          workloadName: "ingress",
          labels: { app: "ingress" },
          serviceAccount: "default",
          address,
          domain: "cluster.local",
          metadata: {},
          ports: {
            outbound: [],
            httpProxy: undefined,
            inbound: [{ servicePort: 443, bind: address, port, appAddress: address, appPort: 1 }],
          },
        },
        discovery: { host: "127.0.0.1", port: pilot.port },
        admin: { host: "127.0.0.1", port: 0 },
      });
      // Proof: a bootstrap is JSON.
      const json = JSON.parse(JSON.stringify(bootstrap));
      proxy = await ProxyProcess.start({ side, bootstrap: json, folder });
    });
    after(async () => {
      await proxy?.stop();
      await pilot.stop();
      await network?.release();
      rmSync(folder, { recursive: true, force: true });
    });

    const call = (client?: Issued): Promise<Answer> => answerOf(address, client);
    const apply = (...yaml: readonly string[]): Promise<void> =>
      pilot.apply(objectsOf(yaml.join("")));

    test("a Secret that comes later is served, and so is the next one, without a failure", async () => {
      const authority = await Authority.create();
      const [first, second] = [
        await authority.issue({ dns: [host] }),
        await authority.issue({ dns: [host] }),
      ];
      await apply(gateway("SIMPLE"));
      assert.deepEqual(await call(), closed);
      await apply(gateway("SIMPLE"), secret("shop", pair(first)));
      await until(call, (answer) => answer.serial === serialOf(first));
      await apply(gateway("SIMPLE"), secret("shop", pair(second)));
      await until(call, (answer) => {
        assert.equal(answer.body, "open");
        return answer.serial === serialOf(second);
      });
    });

    test("clients are known by the Secret's authority, and those that it revoked are turned away", async () => {
      const authority = await Authority.create();
      const server = await authority.issue({ dns: [host] });
      const [good, bad] = [await authority.issue(), await authority.issue()];
      const stranger = await (await Authority.create()).issue();
      const ca = { "ca.crt": authority.certificate };
      const served = secret("shop", pair(server));
      await apply(gateway("MUTUAL"), served, secret("shop-cacert", ca));
      await until(
        () => call(bad),
        ({ body, serial }) => body === "open" && serial === serialOf(server),
      );
      // The listener before this one asked for no certificate.
      await until(call, ({ body }) => body === "");
      assert.equal((await call(stranger)).body, "");
      const revoked = await authority.revoke([bad]);
      await apply(gateway("MUTUAL"), served, secret("shop-cacert", { ...ca, "ca.crl": revoked }));
      await until(
        () => call(bad),
        ({ body }) => body === "",
      );
      assert.equal((await call(good)).body, "open");
    });

    test("a Secret that is gone or no certificate takes nothing away", async () => {
      const server = await (await Authority.create()).issue({ dns: [host] });
      await apply(gateway("SIMPLE"), secret("shop", pair(server)));
      const isServed = ({ body, serial }: Answer): boolean =>
        body === "open" && serial === serialOf(server);
      await until(call, isServed);
      await apply(gateway("SIMPLE"));
      assert(isServed(await call()));
      await apply(gateway("SIMPLE"), secret("shop", { "tls.crt": "", "tls.key": "" }));
      assert(isServed(await call()));
    });
  });
}

const serialOf = ({ serial }: Issued): string => BigInt(`0x${serial}`).toString(16);

interface Answer {
  /** Of the server's certificate. */
  readonly serial: string | undefined;
  /** Empty: the connection was refused or closed. */
  readonly body: string;
}

const closed: Answer = { serial: undefined, body: "" };

async function answerOf(address: string, client: Issued | undefined): Promise<Answer> {
  const socket = connect({
    host: address,
    port,
    servername: host,
    rejectUnauthorized: false,
    ...(client === undefined ? {} : { cert: client.certificate, key: client.key }),
  });
  socket.setEncoding("utf8");
  let [text, serial]: [string, string | undefined] = ["", undefined];
  socket.on("secureConnect", () => {
    const { serialNumber } = socket.getPeerCertificate();
    serial = BigInt(`0x${serialNumber}`).toString(16);
    socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  });
  socket.on("data", (piece: string) => {
    text += piece;
    // Envoy waits a while for a client to close first.
    if (text.endsWith("open")) socket.destroy();
  });
  // What went wrong is in what was received; TLS 1.3 tells a client of its refused certificate after the handshake.
  socket.on("error", () => socket.destroy());
  await new Promise((done) => socket.once("close", done));
  return { serial, body: text.split("\r\n\r\n")[1] ?? "" };
}

async function until(
  call: () => Promise<Answer>,
  isRight: (answer: Answer) => boolean,
): Promise<void> {
  const began = performance.now();
  for (;;) {
    const answer = await call();
    if (isRight(answer)) return;
    assert(performance.now() - began < withinMs, `still ${JSON.stringify(answer)}`);
    await delay(20);
  }
}
