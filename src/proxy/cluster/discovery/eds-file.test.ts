import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { FakeClock } from "../../../../testkit/fake-clock.ts";
import { WorkerStats } from "../../stats/worker-stats.ts";
import type { ClusterMembers } from "../host.ts";
import { DiscoveryStats } from "./discovery-stats.ts";
import { EdsFileDiscovery } from "./eds-file.ts";

/** Waits for events of the discovery in the order in which they come. */
class Events {
  readonly #events: string[] = [];
  #wake: () => void = () => undefined;

  push(event: string): void {
    this.#events.push(event);
    this.#wake();
  }

  async next(): Promise<string> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const assignment = (port: number, clusterName = "c"): string =>
  JSON.stringify({
    resources: [
      {
        clusterName,
        endpoints: [
          {
            lbEndpoints: [
              {
                endpoint: { address: { socketAddress: { address: "10.0.0.1", portValue: port } } },
              },
            ],
          },
        ],
      },
    ],
  });

function setUp(t: TestContext, text: string | undefined, extra: Partial<ClusterJson> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "eds-"));
  const path = join(folder, "eds.json");
  if (text !== undefined) writeFileSync(path, text);
  const stats = new WorkerStats(() => undefined);
  const events = new Events();
  const config: ClusterJson = {
    name: "c",
    type: "EDS",
    edsClusterConfig: { edsConfig: { pathConfigSource: { path } } },
    ...extra,
  };
  const discovery = new EdsFileDiscovery(config, {
    clock: new FakeClock(),
    stats: new DiscoveryStats(config, stats),
    log: (_level, message) => events.push(message),
    node: { id: "", cluster: "", hostname: "", zone: "" },
    // Only what the file discovery does itself: the reader of configuration has tests of its own.
    decode: async (_type, content) => JSON.parse(content),
  });
  t.after(() => {
    discovery.stop();
    rmSync(folder, { recursive: true });
  });
  const start = (): void =>
    discovery.start(
      ({ endpoints }: ClusterMembers) =>
        events.push(endpoints.map(({ address }) => address.port).join(",")),
      () => events.push("without"),
    );
  const move = (content: string): void => {
    writeFileSync(join(folder, "next"), content);
    renameSync(join(folder, "next"), path);
  };
  const stat = (name: string): number => stats.counter(`cluster.c.${name}`).value;
  return { folder, path, events, start, move, stat };
}

test("a file's endpoints, and those of the file that is moved over it", async (t) => {
  const { events, start, move, stat } = setUp(t, assignment(1));
  start();
  assert.equal(await events.next(), "1");
  move(assignment(2));
  assert.equal(await events.next(), "2");
  assert.equal(stat("update_success"), 2);
});

test("a bad file is refused and counted, the good one after it is taken", async (t) => {
  const { events, start, move, stat } = setUp(t, assignment(1));
  start();
  assert.equal(await events.next(), "1");
  for (const bad of ["{", assignment(2, "other"), '{"resources":[{},{}]}']) {
    move(bad);
    assert.match(await events.next(), /is refused, the last good endpoints stay/);
  }
  assert.equal(stat("update_rejected"), 3);
  move(assignment(3));
  assert.equal(await events.next(), "3");
});

test("a file without resources takes nothing away", async (t) => {
  const { events, start, move, stat } = setUp(t, assignment(1));
  start();
  assert.equal(await events.next(), "1");
  move("{}");
  move(assignment(2));
  assert.equal(await events.next(), "2");
  assert.ok(stat("update_empty") <= 1);
});

test("a bad first file lets the proxy start without the cluster", async (t) => {
  const { events, start } = setUp(t, "{");
  start();
  assert.match(await events.next(), /is refused/);
  assert.equal(await events.next(), "without");
});

test("service_name is the resource's name", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "eds-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "x.json");
  writeFileSync(path, assignment(4, "service"));
  const { events, start } = setUp(t, undefined, {
    edsClusterConfig: { serviceName: "service", edsConfig: { path } },
  });
  start();
  assert.equal(await events.next(), "4");
});

test("with a watched directory the move of a link is enough, as in a Kubernetes volume", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "eds-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, port] of [
    ["one", 1],
    ["two", 2],
  ] as const) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "eds.json"), assignment(port));
  }
  symlinkSync("one", join(folder, "data"));
  const source = { path: join(folder, "data", "eds.json"), watchedDirectory: { path: folder } };
  const { events, start } = setUp(t, undefined, {
    edsClusterConfig: { edsConfig: { pathConfigSource: source } },
  });
  start();
  assert.equal(await events.next(), "1");
  symlinkSync("two", join(folder, "data.next"));
  renameSync(join(folder, "data.next"), join(folder, "data"));
  let last = await events.next();
  // The making of the second link is an event too.
  while (last === "1") last = await events.next();
  assert.equal(last, "2");
});
