/** Programs that use their sidecar as an HTTP proxy reach what nobody registered, unless a policy forbids it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, get, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { renderBootstrap } from "#agent/bootstrap.ts";
import { objectsOf } from "../../testkit/view-of.ts";
import { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { envoy, heddle, type Side } from "../parity/harness/sides.ts";
import { TestPilot } from "./harness/mesh.ts";
import { Network } from "./harness/network.ts";

const proxyPort = 20_000;

/** A namespace each, so that both policies are in force at once. */
const namespaces = { open: "default", closed: "closed" } as const;
const policy = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: closed }
spec:
  egress: [{ hosts: ["*/*"] }]
  outboundTrafficPolicy: { mode: REGISTRY_ONLY }
`;

for (const side of [envoy, heddle]) {
  suite(`an explicit proxy: ${side.name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "heddle-explicit-proxy-"));
    const pilot = new TestPilot();
    const proxies: ProxyProcess[] = [];
    const outside: Server = createServer((request, response) =>
      response.end(`${request.url} of ${request.headers.host}`),
    );
    let network: Network | undefined;
    let port = 0;

    before(async () => {
      network = await Network.claim();
      await once(outside.listen(0, "127.0.0.1"), "listening");
      const address = outside.address();
      port = typeof address === "object" && address !== null ? address.port : 0;
      await pilot.start();
      await pilot.apply(objectsOf(policy));
      const { port: discoveryPort } = pilot;
      for (const [index, namespace] of Object.values(namespaces).entries()) {
        const bind = addressOf(network, index);
        proxies.push(await startSidecar(side, { namespace, bind, folder, discoveryPort }));
      }
    });
    after(async () => {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      await pilot.stop();
      outside.close();
      await network?.release();
      rmSync(folder, { recursive: true, force: true });
    });

    const call = (index: number, host: string): Promise<Answer> => {
      assert(network);
      const url = `http://${host}:${port}/today`;
      return answerOf({ host: addressOf(network, index), port: proxyPort, path: url });
    };

    test("a host that nobody registered, by its name and by its address", async () => {
      for (const host of ["localhost", "127.0.0.1"]) {
        const answer = { status: 200, body: `/today of ${host}:${port}` };
        assert.deepEqual(await call(0, host), answer);
      }
    });

    test("REGISTRY_ONLY: not from here", async () => {
      assert.deepEqual(await call(1, "localhost"), { status: 502, body: "" });
    });
  });
}

function addressOf(network: Network, index: number): string {
  return network.address(`200.${index + 1}`);
}

function startSidecar(
  side: Side,
  {
    namespace,
    bind,
    folder,
    discoveryPort,
  }: {
    readonly namespace: string;
    readonly bind: string;
    readonly folder: string;
    readonly discoveryPort: number;
  },
): Promise<ProxyProcess> {
  const bootstrap = renderBootstrap({
    workload: {
      type: "sidecar",
      name: "web-1",
      namespace,
      workloadName: "web",
      labels: { app: "web" },
      serviceAccount: "default",
      address: bind,
      domain: "cluster.local",
      metadata: {},
      ports: { inbound: [], outbound: [], httpProxy: { bind, port: proxyPort } },
    },
    discovery: { host: "127.0.0.1", port: discoveryPort },
    admin: { host: "127.0.0.1", port: 0 },
  });
  // Proof: a bootstrap is JSON.
  const json = JSON.parse(JSON.stringify(bootstrap));
  return ProxyProcess.start({
    side,
    bootstrap: json,
    folder: mkdtempSync(join(folder, "proxy-")),
  });
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

async function answerOf(asked: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}): Promise<Answer> {
  const { host } = new URL(asked.path);
  const outgoing = get({ ...asked, headers: { host }, agent: false });
  const [incoming]: IncomingMessage[] = await once(outgoing, "response");
  assert(incoming);
  let body = "";
  for await (const piece of incoming.setEncoding("utf8")) body += String(piece);
  return { status: incoming.statusCode, body };
}
