/** What a user of the demo does with it; the same with Heddle's proxy and with Envoy beside the programs. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { isFree } from "#agent/port-claims.ts";
import { userFolder } from "#cli/user-folder.ts";
import { Demo, eventually } from "./demo-process.ts";

const programs = join(import.meta.dirname, "../../samples/bookinfo");

interface Rig {
  demo: Demo;
  readonly folder: string;
  readonly flags: readonly string[];
}

const bootstrapsIn = (folder: string): readonly string[] =>
  readdirSync(join(folder, ".heddle/proxies")).filter((file) => file.endsWith(".json"));

/** Free, or another mesh's by now; Pilot's own port, which the system chooses among those of everybody, is not looked at. */
const isFreed = async (port: number): Promise<boolean> =>
  (await isFree(port)) || existsSync(join(userFolder(), "ports", String(port)));

type Case = readonly [name: string, run: (rig: Rig, t: TestContext) => Promise<void>];

/** In this order: what one applies the next one finds. */
const cases: readonly Case[] = [
  [
    "without rules every release answers",
    async ({ demo }) => {
      for (const release of ["v1", "v2", "v3"])
        await eventually(release, async () => (await demo.release()) === release || undefined);
    },
  ],

  [
    "everything to v1",
    async ({ demo }) => {
      await demo.apply("virtual-service-all-v1");
      assert.deepEqual([...(await demo.releases(30))], [["v1", 30]]);
    },
  ],

  [
    "jason to v2, with black stars; everybody else to v1, without",
    async ({ demo }) => {
      await demo.apply("virtual-service-reviews-test-v2");
      assert.deepEqual([...(await demo.releases(20, "jason"))], [["v2", 20]]);
      assert.deepEqual([...(await demo.releases(20, "ann"))], [["v1", 20]]);
      assert.match((await demo.get("/productpage", "jason")).body, /class="stars black"/);
      assert.doesNotMatch((await demo.get("/productpage")).body, /class="stars/);
    },
  ],

  [
    "a delay of 7 s for jason is more than productpage waits for",
    async ({ demo }) => {
      await demo.apply("virtual-service-ratings-test-delay");
      const { body, tookMs } = await demo.get("/productpage", "jason");
      assert.match(body, /product reviews are currently unavailable/);
      assert.ok(tookMs > 5_900, `${tookMs} ms`);
      assert.match((await demo.get("/productpage")).body, /served-by">reviews-v1</);
    },
  ],

  [
    "an abort for jason takes his stars away, and nobody else's page is another",
    async ({ demo }) => {
      await demo.apply("virtual-service-ratings-test-abort");
      const { status, body } = await demo.get("/productpage", "jason");
      assert.equal(status, 200);
      assert.match(body, /Ratings service is currently unavailable/);
      assert.match((await demo.get("/productpage")).body, /served-by">reviews-v1</);
    },
  ],

  [
    "a timeout is shorter than what reviews waits for",
    async ({ demo }) => {
      await demo.apply("virtual-service-reviews-timeout");
      assert.match((await demo.get("/productpage")).body, /the answer was 504/);
      await demo.apply("virtual-service-all-v1");
      assert.match((await demo.get("/productpage")).body, /served-by">reviews-v1</);
    },
  ],

  [
    "shares of 50 and 50, of 90 and 10",
    async ({ demo }) => {
      const count = 400;
      // Five standard deviations of a binomial distribution: one run in a million is outside.
      const within = (share: number, seen: number): void => {
        const far = 5 * Math.sqrt(count * share * (1 - share));
        assert.ok(Math.abs(seen - count * share) <= far, `${seen} of ${count}, share ${share}`);
      };
      await demo.apply("virtual-service-reviews-50-v3");
      const halves = await demo.releases(count);
      assert.deepEqual([...halves.keys()].sort(), ["v1", "v3"]);
      within(0.5, halves.get("v3") ?? 0);
      await demo.apply("virtual-service-reviews-90-10");
      const tenth = await demo.releases(count);
      assert.deepEqual([...tenth.keys()].sort(), ["v1", "v2"]);
      within(0.1, tenth.get("v2") ?? 0);
    },
  ],

  [
    "v3 gets a copy of every call that v1 answers",
    async ({ demo }) => {
      await demo.apply("virtual-service-reviews-mirror-v3");
      const before3 = await demo.requestsOf("reviews-v3");
      const before1 = await demo.requestsOf("reviews-v1");
      assert.deepEqual([...(await demo.releases(25))], [["v1", 25]]);
      assert.equal((await demo.requestsOf("reviews-v1")) - before1, 25);
      await eventually("25 copies", async () => {
        const copies = (await demo.requestsOf("reviews-v3")) - before3;
        assert.ok(copies <= 25, `${copies} copies`);
        return copies === 25 || undefined;
      });
    },
  ],

  [
    "a bad file changes nothing, and says what is wrong in it",
    async ({ demo, folder }) => {
      const bad = join(folder, "bad.yaml");
      const good = readFileSync(
        join(programs, "networking/virtual-service-reviews-v3.yaml"),
        "utf8",
      );
      writeFileSync(bad, good.replace("subset: v3", "subset: v3, weigth: 5"));
      const { code, output } = await demo.heddle("apply", "-f", bad);
      assert.equal(code, 65, output);
      assert.match(output, /bad\.yaml:\d+:\d+ VirtualService\/default\/reviews .*weigth/);
      assert.deepEqual([...(await demo.releases(10))], [["v1", 10]]);
    },
  ],

  [
    "a release that is added takes part, and leaves without a failed request",
    async ({ demo, flags }, t) => {
      const { code, output } = await demo.heddle("delete", "virtualservice", "reviews");
      assert.equal(code, 0, output);
      const reviews = ["--", process.execPath, join(programs, "reviews.mjs")];
      const added = demo.spawnHeddle(
        t,
        ...["run", "--service", "reviews", "--version", "v4", "--port", "9080"],
        ...flags.filter((flag) => !flag.startsWith("--port")),
        ...reviews,
      );
      await eventually("v4 answers", async () => (await demo.release()) === "v4" || undefined);
      const ended = once(added, "exit");
      let exit: readonly unknown[] | undefined;
      void ended.then((values) => {
        exit = values;
      });
      added.kill("SIGTERM");
      while (exit === undefined)
        assert.match((await demo.get("/productpage")).body, /served-by">reviews-v\d</);
      assert.deepEqual(exit, [0, null]);
      const remaining = await demo.releases(30);
      assert.deepEqual([...remaining.keys()].sort(), ["v1", "v2", "v3"]);
    },
  ],

  [
    "a program that is killed comes back by itself",
    async ({ demo }) => {
      await demo.apply("virtual-service-reviews-v3");
      process.kill(demo.programPid("ratings.mjs"), "SIGKILL");
      await demo.said(/ratings-v1: died of SIGKILL; it is started again/);
      await demo.said(/ratings-v1: is back/);
      await eventually("red stars", async () => {
        const { body } = await demo.get("/productpage");
        return body.includes('class="stars red"') || undefined;
      });
    },
  ],

  [
    "an interrupt ends everything, frees every port and keeps what was applied",
    async (rig) => {
      const { demo, folder, flags } = rig;
      const ports = bootstrapsIn(folder).flatMap((file) =>
        [
          ...readFileSync(join(folder, ".heddle/proxies", file), "utf8").matchAll(
            /"(?:p|appP|portV)(?:ort|alue)": (\d+)/g,
          ),
        ].flatMap(([, port]) => (Number(port) < 32_000 ? [Number(port)] : [])),
      );
      assert.ok(ports.length > 20, `${ports.length} ports`);
      assert.equal(await demo.stop(), 0);
      for (const port of [demo.port, ...new Set(ports)])
        assert.ok(await isFreed(port), `port ${port} is free`);
      rig.demo = await Demo.start(folder, ...flags);
      assert.deepEqual([...(await rig.demo.releases(10))], [["v3", 10]]);
    },
  ],
];

export function bookinfoCases(name: string, ...flags: readonly string[]): void {
  describe(`bookinfo with ${name}`, { concurrency: false }, () => {
    const folder = mkdtempSync(join(tmpdir(), "heddle-demo-"));
    let rig: Rig | undefined;

    before(async () => {
      rig = { demo: await Demo.start(folder, ...flags), folder, flags };
    });
    after(async () => {
      await rig?.demo.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    for (const [title, run] of cases)
      test(title, async (t) => {
        assert.ok(rig);
        await run(rig, t);
      });
  });
}
