/** `heddle explain` of a proxy that runs: proxies' streams against Pilot in this process, and the command against its pages. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fromBinary, fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { runExplain } from "#cli/explain.ts";
import {
  type DiscoveryRequestJson,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import { ControlPlane } from "#pilot/control-plane.ts";
import { clusterType, listenerType, routeType } from "#xds/resource-type.ts";
import { recordedIo } from "../../testkit/offline-io.ts";

const rules = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.default.svc.cluster.local]
  addresses: [10.1.0.1]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1, labels: {version: v1}}, {address: 10.0.0.2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: jason
    match:
    - headers: {end-user: {exact: jason}}
    route: [{destination: {host: reviews, subset: v2}}]
  - name: others
    route: [{destination: {host: reviews, subset: v1}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ["*"]
  gateways: [shop]
  http:
  - name: in
    match: [{uri: {prefix: /reviews}}]
    route: [{destination: {host: reviews, subset: v1}}]
`;

interface Mesh {
  readonly folder: string;
  readonly file: string;
  readonly http: string;
  /** A proxy's stream: it asks for everything, and acknowledges what comes; resolves when it has it. */
  connect(proxy: ProxyNode): Promise<void>;
}

interface ProxyNode {
  readonly id: string;
  readonly metadata?: JsonObject;
  readonly routes: readonly string[];
}

async function startMesh(t: TestContext): Promise<Mesh> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-explain-"));
  const file = join(folder, "rules.yaml");
  writeFileSync(file, rules);
  const here = { host: "127.0.0.1", port: 0 };
  const pilot = new ControlPlane({
    ...{ clock: systemClock, random: systemRandom, version: "test", configPaths: [file] },
    ...{ grpc: here, http: here, log: () => {} },
  });
  const { grpc, http } = await pilot.start();
  t.after(async () => {
    await pilot.stop(0);
    rmSync(folder, { recursive: true });
  });
  const connect = (node: ProxyNode): Promise<void> => connected(t, grpc.port, node);
  return { folder, file, http: `http://127.0.0.1:${http.port}`, connect };
}

const path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

async function connected(t: TestContext, port: number, node: ProxyNode): Promise<void> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(
    path,
    (request: DiscoveryRequestJson) =>
      Buffer.from(toBinary(DiscoveryRequestSchema, fromJson(DiscoveryRequestSchema, request))),
    (bytes) => fromBinary(DiscoveryResponseSchema, bytes),
  );
  stream.on("error", () => {});
  t.after(() => {
    stream.cancel();
    client.close();
  });
  const names = new Map<string, string[]>([
    [clusterType.typeUrl, []],
    [listenerType.typeUrl, []],
    [routeType.typeUrl, [...node.routes]],
  ]);
  const waiting = new Set(names.keys());
  const { id, metadata = {} } = node;
  await new Promise<void>((done) => {
    stream.on("data", ({ typeUrl, nonce, versionInfo }: DiscoveryResponse) => {
      const resourceNames = names.get(typeUrl) ?? [];
      stream.write({ typeUrl, responseNonce: nonce, versionInfo, resourceNames });
      waiting.delete(typeUrl);
      if (waiting.size === 0) done();
    });
    for (const [typeUrl, resourceNames] of names) {
      stream.write({ node: { id, metadata }, typeUrl, resourceNames });
    }
  });
}

async function explain(mesh: Pick<Mesh, "http">, ...argv: string[]) {
  const { io, stdout, stderr } = recordedIo();
  const code = await runExplain([...argv, "--server", mesh.http], io);
  return { code, out: stdout(), err: stderr() };
}

const productpage = {
  id: "sidecar~10.0.0.9~productpage-v1-abc.default~default.svc.cluster.local",
  metadata: { LABELS: { app: "productpage" }, NAMESPACE: "default" },
  routes: ["9080"],
};
const laptop = {
  id: "sidecar~127.0.0.1~details-v1-1.default~default.svc.cluster.local",
  metadata: {
    ...{ LABELS: { app: "details" }, NAMESPACE: "default", INTERCEPTION_MODE: "NONE" },
    HEDDLE_HTTP_PROXY: { port: 25001 },
    HEDDLE_OUTBOUND: [{ host: "reviews", port: 9080, bindPort: 25002 }],
  },
  routes: ["http_proxy", "reviews.default.svc.cluster.local:9080"],
};
const gateway = {
  id: "router~10.0.0.3~gateway-1.istio-system~istio-system.svc.cluster.local",
  metadata: { LABELS: { istio: "ingressgateway" }, NAMESPACE: "istio-system" },
  routes: ["http.8080"],
};

test("a sidecar's call, with the files and lines that decided it", async (t) => {
  const mesh = await startMesh(t);
  await mesh.connect(productpage);
  const url = "http://reviews:9080/reviews/0";
  assert.deepEqual(await explain(mesh, "productpage", url, "-H", "end-user: jason"), {
    code: 0,
    out: `${productpage.id}
GET reviews:9080/reviews/0
  listener      0.0.0.0_9080
  routes        9080
  virtual host  reviews.default.svc.cluster.local:9080
                  ${mesh.file}:25:11 VirtualService/default/reviews spec.hosts[0]
  route         jason
                  ${mesh.file}:29:7 VirtualService/default/reviews spec.http[0].match[0]
  cluster       outbound|9080|v2|reviews.default.svc.cluster.local
                  ${mesh.file}:19:5 DestinationRule/default/reviews spec.subsets[1]
  → outbound|9080|v2|reviews.default.svc.cluster.local
`,
    err: "",
  });
  // What the files say now is what counts.
  writeFileSync(mesh.file, rules.replace("exact: jason", "exact: mary"));
  for (;;) {
    const { out } = await explain(mesh, productpage.id, url, "-H", "end-user: jason", "-o", "json");
    const { routeMatched, clusterMatched } = JSON.parse(out);
    if (routeMatched === "jason") continue;
    assert.equal(clusterMatched, "outbound|9080|v1|reviews.default.svc.cluster.local");
    break;
  }
});

test("a sidecar that intercepts nothing is called where it listens", async (t) => {
  const mesh = await startMesh(t);
  await mesh.connect(laptop);
  const listener = async (url: string): Promise<string> => {
    const { out } = await explain(mesh, "details", url, "-o", "json");
    const { listenerMatched, clusterMatched, error } = JSON.parse(out);
    return [listenerMatched, clusterMatched ?? error].join(" ");
  };
  assert.equal(
    await listener("http://reviews:9080/"),
    "127.0.0.1_25002 outbound|9080|v1|reviews.default.svc.cluster.local",
  );
  assert.match(await listener("http://example.org/"), /^127\.0\.0\.1_25001 /);
  assert.equal(await listener("tcp://10.1.0.1:99"), " NoListener");
});

test("a gateway is called from outside", async (t) => {
  const mesh = await startMesh(t);
  await mesh.connect(gateway);
  const ask = async (url: string) => {
    const { out } = await explain(mesh, "ingressgateway", url, "-o", "json");
    return JSON.parse(out);
  };
  const found = await ask("http://shop.example:8080/reviews/0");
  assert.equal(found.routeMatched, "in");
  assert.equal(found.clusterMatched, "outbound|9080|v1|reviews.default.svc.cluster.local");
  assert.equal((await ask("http://shop.example:8080/admin")).error, "NoRoute");
  assert.equal((await ask("http://shop.example:81/")).error, "NoListener");
});

test("of several that fit the first is asked, and said to be", async (t) => {
  const mesh = await startMesh(t);
  await mesh.connect(productpage);
  await mesh.connect({ ...productpage, id: productpage.id.replace("abc", "def") });
  const { code, err } = await explain(mesh, "productpage", "http://reviews:9080/");
  assert.equal(code, 0);
  assert.match(err, /^heddle explain: sidecar~.*productpage-v1-.*, the first of 2 that fit\n$/);
});

test("what cannot be explained is said", async (t) => {
  const mesh = await startMesh(t);
  const url = "http://reviews:9080/";
  assert.deepEqual(await explain(mesh, "productpage", url), {
    code: 1,
    out: "",
    err: "heddle explain: no proxy is called productpage; none is connected\n",
  });
  await mesh.connect(productpage);
  assert.deepEqual(await explain(mesh, "cart", url), {
    code: 1,
    out: "",
    err: "heddle explain: no proxy is called cart; connected are productpage-v1-abc.default\n",
  });
  const wrong = await explain(mesh, "productpage", "ftp://reviews/");
  assert.equal(wrong.code, 64);
  assert.match(wrong.err, /ftp/);

  const other = createServer((_request, response) => response.end("{}")).listen(0, "127.0.0.1");
  await new Promise((listening) => other.once("listening", listening));
  // Proof: it listens on TCP.
  const http = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  assert.equal((await explain({ http }, "productpage", url)).code, 1);
  await new Promise((closed) => other.close(closed));
  const gone = await explain({ http }, "productpage", url);
  assert.equal(gone.code, 1);
  assert.match(gone.err, /no control plane answers at http:/);
});
