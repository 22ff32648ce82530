import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { MainStats } from "./main-stats.ts";
import { type Announcement, WorkerStats, type WorkerStatsOptions } from "./worker-stats.ts";

function pair(options: WorkerStatsOptions = {}): { main: MainStats; worker: WorkerStats } {
  const main = new MainStats();
  const worker = new WorkerStats((announcement) => main.addWorker(0, announcement), options);
  return { main, worker };
}

const named = <T extends { readonly name: string }>(
  all: readonly T[],
  name: string,
): T | undefined => all.find((stat) => stat.name === name);

test("a counter and a gauge of one name are two stats; the same kind and name is the same object", () => {
  const { main, worker } = pair();
  worker.counter("a").add(3);
  worker.gauge("a").set(7);
  assert.equal(worker.scope("b.").counter("c"), worker.counter("b.c"));
  worker.flush();
  assert.equal(named(main.counters(), "a")?.value, 3);
  assert.equal(named(main.gauges(), "a")?.value, 7);
});

test("what was never written is not used, and what was written back to zero is", () => {
  const { main, worker } = pair();
  worker.counter("never");
  worker.counter("zero").add(0);
  worker.gauge("back").inc();
  worker.gauge("back").dec();
  worker.gauge("set").set(0);
  worker.flush();
  const used = [...main.counters(), ...main.gauges()].filter((stat) => stat.used);
  assert.deepEqual(
    used.map(({ name, value }) => [name, value]),
    [
      ["zero", 0],
      ["back", 0],
      ["set", 0],
    ],
  );
});

test("a reset counter starts again at zero and stays used; gauges and the writer's own view stay", () => {
  const { main, worker } = pair();
  const counter = worker.counter("c");
  counter.add(5);
  worker.gauge("g").set(2);
  worker.flush();
  main.resetCounters();
  assert.deepEqual(named(main.counters(), "c"), {
    name: "c",
    kind: "counter",
    value: 0,
    used: true,
  });
  counter.inc();
  assert.equal(named(main.counters(), "c")?.value, 1);
  assert.equal(named(main.gauges(), "g")?.value, 2);
});

test("new names are announced once, together, at the end of the event", async () => {
  const announcements: Announcement[] = [];
  const worker = new WorkerStats((announcement) => announcements.push(announcement));
  for (let i = 0; i < 3000; i++) worker.counter(`c${i}`);
  assert.equal(announcements.length, 0);
  await new Promise(setImmediate);
  assert.equal(announcements.length, 1);
  // And the counter of dropped names.
  assert.equal(announcements[0]?.slots.length, 3001);
  assert.equal(announcements[0]?.chunks.length, 2);
  await new Promise(setImmediate);
  assert.equal(announcements.length, 1);
});

test("a name that the matcher refuses works for its holder and is not shown", () => {
  const { main, worker } = pair({ accepts: (name) => !name.startsWith("no.") });
  const gauge = worker.gauge("no.g");
  gauge.inc();
  assert.equal(gauge.value, 1);
  worker.histogram("no.h").record(5);
  worker.counter("yes").inc();
  worker.flush();
  assert.deepEqual(
    main
      .counters()
      .map(({ name }) => name)
      .filter((name) => !name.startsWith("heddle.")),
    ["yes"],
  );
  assert.deepEqual([main.gauges(), main.histograms()], [[], []]);
});

test("names over the limit are counted and not kept", () => {
  const { main, worker } = pair({ namesMax: 2 });
  worker.counter("a").inc();
  worker.counter("b").inc();
  worker.counter("c").inc();
  worker.histogram("d").record(1);
  worker.flush();
  assert.equal(named(main.counters(), "c"), undefined);
  const dropped = main.counters().filter(({ name }) => name === "heddle.stats_dropped");
  assert.deepEqual(
    dropped.map(({ value }) => value),
    [2],
  );
});

test("a histogram's interval is what came in the last whole flush interval", () => {
  const { main, worker } = pair();
  const clock = new FakeClock();
  const intervals = main.startIntervals(clock, 5000);
  const histogram = worker.histogram("h");
  const interval = (): readonly number[] =>
    (main.histograms()[0]?.interval ?? []).map(([, n]) => n);
  histogram.record(7);
  worker.flush();
  assert.deepEqual(interval(), []);
  clock.advance(5000);
  assert.deepEqual(interval(), [1]);
  histogram.record(7);
  histogram.record(7);
  assert.deepEqual(interval(), [1]);
  clock.advance(5000);
  assert.deepEqual(interval(), [2]);
  clock.advance(5000);
  assert.deepEqual(interval(), []);
  assert.equal(main.histograms()[0]?.count, 3);
  intervals.stop();
  assert.equal(clock.waiting, 0);
});

test("values that are no numbers or below zero count as zero", () => {
  const { main, worker } = pair();
  for (const value of [Number.NaN, -3, 0.4]) worker.histogram("h").record(value);
  worker.flush();
  assert.deepEqual(main.histograms()[0]?.buckets, [[0, 3]]);
  assert.equal(main.histograms()[0]?.sum, 0);
});

const threadCode = `
import { parentPort, workerData } from "node:worker_threads";
const { WorkerStats } = await import(workerData.module);
const stats = new WorkerStats((announcement) => parentPort.postMessage(announcement));
const counter = stats.counter("shared.total");
for (let i = 0; i < workerData.count; i++) counter.inc();
stats.gauge("shared.active").set(workerData.count);
stats.counter("only." + workerData.count).inc();
for (let value = 0; value < 100; value++) stats.histogram("shared.time").record(value * workerData.scale);
stats.flush();
`;

test("two threads' counters, gauges and histograms are added up, and go on being read without asking", async () => {
  const main = new MainStats();
  main.own.counter("shared.total").add(1);
  const module = new URL("./worker-stats.ts", import.meta.url).href;
  const threads = [
    { count: 1000, scale: 1 },
    { count: 234, scale: 10 },
  ].map(
    (data) =>
      new Worker(new URL(`data:text/javascript,${encodeURIComponent(threadCode)}`), {
        workerData: { ...data, module },
      }),
  );
  await Promise.all(
    threads.map(async (thread, index) => {
      // Both at once: a thread's last message and its end can come in one event.
      const exited = once(thread, "exit");
      const [announcement] = (await once(thread, "message")) as [Announcement];
      main.addWorker(index, announcement);
      await exited;
    }),
  );
  assert.equal(named(main.counters(), "shared.total")?.value, 1235);
  assert.equal(named(main.gauges(), "shared.active")?.value, 1234);
  assert.equal(named(main.counters(), "only.234")?.value, 1);
  const histogram = named(main.histograms(), "shared.time");
  assert.equal(histogram?.count, 200);
  assert.equal(histogram?.sum, 4950 + 49_500);
});
