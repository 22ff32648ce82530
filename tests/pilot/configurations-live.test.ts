/** Every configuration on the real Envoy and on Heddle's proxy, under one Pilot: no NACK, calls go where they should, both say the same. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { after, before, suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { renderBootstrap } from "#agent/bootstrap.ts";
import type { Workload } from "#agent/workload.ts";
import type { SidecarJson } from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import type { ConfigObject } from "#model/object.ts";
import { Authority } from "../../testkit/pki.ts";
import { objectsOf } from "../../testkit/view-of.ts";
import { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { envoy, heddle, type Side } from "../parity/harness/sides.ts";
import { type Entrances, makeCall, type Outcome } from "./harness/callers.ts";
import { allCases, type Case, type ExpectedCall, targetOf } from "./harness/cases.ts";
import { comparable, judge, judgeOne, timesOf } from "./harness/judge.ts";
import { TestPilot } from "./harness/mesh.ts";
import { Network } from "./harness/network.ts";
import { Upstreams } from "./harness/upstreams.ts";

const sides = [envoy, heddle];
const cases = allCases();

/** Ports of hosts that programs dial themselves: each has a listener of its own at the sidecar. */
const dialled = [
  ...new Set(
    cases
      .flatMap(({ calls }) => calls)
      .filter(({ via = "sidecar" }) => via === "sidecar")
      .map(targetOf)
      .filter(({ scheme }) => scheme === "tcp" || scheme === "tls")
      .map(({ host, port }) => `${host}:${port}`),
  ),
];
const markerPort = 8099;
const markerHost = "marker.example";
const gatewayPorts = [80, 443, 5432, markerPort];

class World {
  readonly pilot = new TestPilot();
  readonly proxies: ProxyProcess[] = [];
  readonly folder: string = mkdtempSync(join(tmpdir(), "heddle-configurations-"));
  readonly network: Network;
  readonly authority: Authority;
  readonly upstreams: Upstreams;

  private constructor(network: Network, authority: Authority, upstreams: Upstreams) {
    this.network = network;
    this.authority = authority;
    this.upstreams = upstreams;
  }

  static async create(): Promise<World> {
    const authority = await Authority.create();
    const upstreams = new Upstreams(await authority.issue({ dns: ["upstream.example"] }));
    const world = new World(await Network.claim(), authority, upstreams);
    await world.pilot.start();
    return world;
  }

  async startProxies(): Promise<void> {
    const starting = sides.flatMap((side, index) =>
      [this.#sidecar(index), this.#gateway(index)].map((workload) => this.#start(side, workload)),
    );
    await Promise.all(starting);
  }

  async #start(side: Side, workload: Workload): Promise<void> {
    const { node, ...rest } = renderBootstrap({
      workload,
      discovery: { host: "127.0.0.1", port: this.pilot.port },
      admin: { host: "127.0.0.1", port: 0 },
    });
    const bootstrap = { ...rest, node: { ...node, locality: { region: "r1", zone: "z1" } } };
    const folder = mkdtempSync(join(this.folder, "proxy-"));
    // Proof: a bootstrap is JSON.
    const json = JSON.parse(JSON.stringify(bootstrap));
    this.proxies.push(await ProxyProcess.start({ side, bootstrap: json, folder }));
  }

  #sidecar(index: number): Workload {
    const address = this.network.address(`200.${index + 1}`);
    return {
      ...this.#workload("sidecar", `web-${index}`, address),
      labels: { app: "web", version: "v1" },
      ports: {
        inbound: [],
        httpProxy: { bind: address, port: 20_000 },
        outbound: dialled.map((name, place) => {
          const [host = "", port] = name.split(":");
          return { host, port: Number(port), bind: address, bindPort: 21_000 + place };
        }),
      },
    };
  }

  #gateway(index: number): Workload {
    const address = this.network.address(`201.${index + 1}`);
    return {
      ...this.#workload("router", `ingress-${index}`, address),
      labels: { app: "ingress" },
      ports: {
        outbound: [],
        httpProxy: undefined,
        inbound: gatewayPorts.map((servicePort) => ({
          servicePort,
          bind: address,
          port: 20_000 + servicePort,
          appAddress: address,
          appPort: 1,
        })),
      },
    };
  }

  #workload(type: Workload["type"], name: string, address: string): Workload {
    return {
      type,
      name,
      namespace: "default",
      workloadName: name,
      labels: {},
      serviceAccount: "default",
      address,
      domain: "cluster.local",
      metadata: {},
    };
  }

  entrances(index: number): Entrances {
    const sidecar = this.network.address(`200.${index + 1}`);
    const gateway = this.network.address(`201.${index + 1}`);
    return {
      httpProxy: { host: sidecar, port: 20_000 },
      outbound: (host, port) => ({
        host: sidecar,
        port: 21_000 + dialled.indexOf(`${host}:${port}`),
      }),
      gateway: (port) => ({ host: gateway, port: 20_000 + port }),
    };
  }

  /** Gives Pilot the case, and returns when all proxies have it. */
  async apply({ name, services, rules, secrets }: Case): Promise<void> {
    const credentials = await Promise.all(
      Object.entries(secrets).map(async ([secret, host]) => {
        const { certificate, key } = await this.authority.issue({ dns: [host] });
        const encode = (text: string): string => Buffer.from(text).toString("base64");
        return `---
apiVersion: v1
kind: Secret
metadata: {name: ${secret}, namespace: default}
type: kubernetes.io/tls
data: {tls.crt: ${encode(certificate)}, tls.key: ${encode(key)}}
`;
      }),
    );
    const yaml = [services, "---\n", rules, ...credentials, marker(name)].join("");
    const objects = objectsOf(this.network.localize(yaml)).map(importingMarker);
    await this.upstreams.start(objects);
    await this.pilot.apply(objects);
  }

  async stop(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    await this.pilot.stop();
    await this.upstreams.stop();
    await this.network.release();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** That a proxy has acknowledged something does not mean yet that its workers use it. */
const inForceWithinMs = 20_000;

/** A host of each case's own, whose routes come with the others. */
function marker(name: string): string {
  return `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: marker, namespace: default}
spec: {selector: {app: ingress}, servers: [{port: {number: ${markerPort}, name: http, protocol: HTTP}, hosts: [${markerHost}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: marker, namespace: default}
spec: {hosts: [${markerHost}], gateways: [mesh, marker], http: [{directResponse: {status: 200, body: {string: ${name}}}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: marker, namespace: default}
spec: {hosts: [${markerHost}], ports: [{number: ${markerPort}, name: http, protocol: HTTP}], resolution: STATIC}
`;
}

/** What a Sidecar does not import, its proxies do not know. */
function importingMarker(object: ConfigObject): ConfigObject {
  if (object.kind !== "Sidecar") return object;
  // Proof: the kind is right above, and the reader checked its spec.
  const { egress = [], ...rest } = object.spec as SidecarJson;
  const importing = egress.map((each) => ({
    ...each,
    hosts: [...(each.hosts ?? []), `default/${markerHost}`],
  }));
  return { ...object, spec: { ...rest, egress: importing } };
}

async function untilInForce(world: World, name: string): Promise<void> {
  const url = `GET http://${markerHost}:${markerPort}/`;
  const calls: readonly ExpectedCall[] = [
    { call: url, body: name },
    { call: url, body: name, via: "gateway" },
  ];
  await Promise.all(
    sides.flatMap((_, index) =>
      calls.map((call) => untilRight(call, () => callOnce(world, index, call))),
    ),
  );
}

const callOnce = (world: World, index: number, call: ExpectedCall): Promise<Outcome> =>
  makeCall(call, world.entrances(index), world.upstreams);

/** A listener of its own may still be opening when the routes are in force: its first call is patient. */
async function outcomesOf(world: World, index: number, call: ExpectedCall): Promise<Outcome[]> {
  const began = performance.now();
  for (;;) {
    const outcomes = [await untilRight(call, () => callOnce(world, index, call))];
    while (outcomes.length < timesOf(call)) outcomes.push(await callOnce(world, index, call));
    const late = performance.now() - began > inForceWithinMs;
    if (call.eventually !== true || late || isRight(call, outcomes)) return outcomes;
  }
}

function isRight(call: ExpectedCall, outcomes: readonly Outcome[]): boolean {
  try {
    judge(call, outcomes);
    return true;
  } catch {
    return false;
  }
}

async function untilRight(call: ExpectedCall, once: () => Promise<Outcome>): Promise<Outcome> {
  const began = performance.now();
  for (;;) {
    const outcome = await once();
    try {
      judgeOne(call, outcome);
      return outcome;
    } catch (problem) {
      if (performance.now() - began > inForceWithinMs) throw problem;
      await delay(20);
    }
  }
}

suite("configurations on Envoy and Heddle under one Pilot", () => {
  let world: World;
  before(async () => {
    world = await World.create();
    const [first] = cases;
    assert(first);
    await world.apply(first);
    await world.startProxies();
  });
  after(() => world.stop());

  for (const each of cases) {
    test(each.name, async () => {
      await world.apply(each);
      await untilInForce(world, each.name);
      for (const call of each.calls) {
        const [theirs = [], ours = []] = await Promise.all(
          sides.map((_, index) => outcomesOf(world, index, call)),
        );
        judge({ ...call, call: `Envoy, ${call.call}` }, theirs);
        judge({ ...call, call: `Heddle, ${call.call}` }, ours);
        const [one, other] = [theirs[0], ours[0]];
        assert(one && other);
        // Which of several workloads answers is each proxy's own choice, unless they hash.
        if (call.sticky === true || one.from === other.from)
          assert.deepEqual(comparable(other), comparable(one), call.call);
      }
    });
  }
});
