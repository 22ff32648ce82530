/** Real gRPC clients without a proxy (@grpc/grpc-js-xds) under Pilot, in every configuration: nothing is refused, calls go where they should. */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { after, before, suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { objectsOf } from "../../testkit/view-of.ts";
import { allCases } from "./harness/cases.ts";
import type { GrpcAnswer, GrpcCall } from "./harness/grpc-caller.ts";
import { TestPilot } from "./harness/mesh.ts";
import { Network } from "./harness/network.ts";

const reviews = "xds:///reviews:9080";
const all = ["reviews-v1", "reviews-v2", "reviews-v3"];
const jason = { "end-user": "jason" };

interface Expected {
  readonly target?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** One of them; empty: nobody. */
  readonly from: readonly string[];
  /** Of a call that fails. */
  readonly code?: number;
}

/** What a call of /heddle.Test/Name comes to; configurations that are not here leave the services as they are. */
const expectations: Readonly<Record<string, readonly Expected[]>> = {
  "all-to-v1": [
    { from: ["reviews-v1"] },
    { target: "xds:///ratings.default.svc.cluster.local:9080", from: ["ratings-v1"] },
  ],
  "canary-by-weight": [{ from: ["reviews-v1", "reviews-v3"] }],
  "header-routing": [{ metadata: jason, from: ["reviews-v2"] }, { from: ["reviews-v1"] }],
  "without-headers-and-query": [{ from: ["reviews-v1"] }],
  "paths-and-methods": [{ from: ["reviews-v1"] }],
  "direct-responses": [{ from: all }],
  "sidecar-selects-workloads": [{ from: [], code: 14 }],
  "source-labels": [{ from: ["reviews-v3"] }],
  "fault-abort": [{ metadata: jason, from: [], code: 2 }, { from: ["reviews-v1"] }],
  "several-namespaces": [{ target: "xds:///reviews.prod:9080", from: ["reviews-prod"] }],
  "export-to": [{ target: "xds:///reviews.prod:9080", from: ["reviews-prod"] }],
  "wildcard-rules": [{ from: ["details-v1"] }],
  delegates: [{ from: ["details-v1"] }],
  rewrites: [{ from: ["details-v1"] }],
  cors: [{ from: ["details-v1"] }],
  mirror: [{ from: ["reviews-v1"] }],
  "header-operations": [{ from: ["reviews-v1"] }],
  "missing-destinations": [{ from: ["reviews-v1"] }],
};

class Programs {
  readonly #child: ChildProcess;
  #calls = 0;

  constructor(bootstrap: string) {
    this.#child = fork(join(import.meta.dirname, "harness/grpc-caller.ts"), {
      env: { GRPC_XDS_BOOTSTRAP: bootstrap },
    });
    this.#child.setMaxListeners(0);
  }

  async call({ target = reviews, metadata = {} }: Expected): Promise<GrpcAnswer> {
    const call: GrpcCall = { id: this.#calls++, target, metadata };
    this.#child.send(call);
    for (;;) {
      const [answer]: readonly GrpcAnswer[] = await once(this.#child, "message");
      if (answer?.id === call.id) return answer;
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill();
    await once(this.#child, "exit");
  }
}

/** Each Pod with port 9080, as a gRPC server that says its name. */
async function startServer(address: string, name: string): Promise<Server> {
  const server = new Server();
  const same = (bytes: Buffer): Buffer => bytes;
  const method = {
    path: "/heddle.Test/Name",
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const answer = (_call: unknown, callback: (error: null, reply: Buffer) => void): void =>
    callback(null, Buffer.from(name));
  server.addService({ Name: method }, { Name: answer });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${address}:9080`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return server;
}

const inForceWithinMs = 20_000;
/** So many right answers are no chance: one of three workloads answers otherwise. */
const inARow = 8;

/** That a client has acknowledged something does not mean yet that its channels use it. */
async function untilRight(programs: Programs, expected: Expected): Promise<void> {
  const began = performance.now();
  for (let right = 0; right < inARow; right++) {
    const answer = await programs.call(expected);
    if (isRight(answer, expected)) continue;
    if (performance.now() - began > inForceWithinMs)
      assert.fail(`${JSON.stringify(answer)}, expected ${JSON.stringify(expected)}`);
    right = -1;
    await delay(20);
  }
}

function isRight({ from, code }: GrpcAnswer, expected: Expected): boolean {
  return expected.from.length === 0
    ? from === undefined && code === expected.code
    : expected.from.includes(from ?? "");
}

suite("gRPC clients without a proxy under Pilot", () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-proxyless-"));
  const pilot = new TestPilot();
  const servers: Server[] = [];
  const cases = allCases();
  let network: Network;
  let programs: Programs;

  before(async () => {
    network = await Network.claim();
    for (const document of (cases[0]?.services ?? "").split("---\n")) {
      const [, name, address] =
        /kind: Pod\nmetadata:[^\n]*name: ([\w-]+)[\s\S]*containerPort: 9080[\s\S]*podIP: ([\d.]+)/.exec(
          document,
        ) ?? [];
      if (name === undefined || address === undefined) continue;
      servers.push(await startServer(network.localize(address), name));
    }
    await pilot.start();
    const bootstrap = join(folder, "bootstrap.json");
    const metadata = {
      GENERATOR: "grpc",
      NAMESPACE: "default",
      LABELS: { app: "web", version: "v1" },
    };
    writeFileSync(
      bootstrap,
      JSON.stringify({
        xds_servers: [
          {
            server_uri: `127.0.0.1:${pilot.port}`,
            channel_creds: [{ type: "insecure" }],
            // grpc-js does not notice a cluster that goes and comes back unchanged.
            server_features: ["xds_v3", "ignore_resource_deletion"],
          },
        ],
        node: {
          id: `sidecar~${network.address("200.9")}~web.default~default.svc.cluster.local`,
          metadata,
          locality: { region: "r1", zone: "z1" },
        },
      }),
    );
    programs = new Programs(bootstrap);
  });

  after(async () => {
    await programs.stop();
    await pilot.stop();
    for (const server of servers) server.forceShutdown();
    await network.release();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const { name, services, rules } of cases) {
    test(name, async () => {
      await pilot.apply(objectsOf(network.localize(`${services}---\n${rules}`)));
      for (const expected of expectations[name] ?? []) await untilRight(programs, expected);
      // The client may have subscribed to more on the way.
      await pilot.settled();
    });
  }

  test("every service is called by any of its names", async () => {
    const [first] = cases;
    await pilot.apply(objectsOf(network.localize(first?.services ?? "")));
    for (const host of ["reviews", "reviews.default", "reviews.default.svc.cluster.local"])
      await untilRight(programs, { target: `xds:///${host}:9080`, from: all });
  });
});
