import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutlierDetectionJson } from "#gen/envoy/config/cluster/v3/outlier_detection_pb.js";
import { HeaderList } from "#http/headers.ts";
import { RequestHead, ResponseHead } from "#http/message.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { endpoint, members } from "../../../testkit/hosts.ts";
import { emptyRuntime } from "../../../testkit/picker-suite.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import type { AccessLogSink } from "../access-log/sinks.ts";
import type { EndpointSpec } from "../cluster/host.ts";
import type { Runtime } from "../runtime.ts";
import { WorkerStats } from "../stats/worker-stats.ts";
import { compileOutlier, type OutlierSettings } from "./config.ts";
import { OutlierDetector } from "./detector.ts";
import { DetectorStats } from "./detector-stats.ts";
import { OutlierEventLog } from "./event-log.ts";
import { HostOutlier } from "./host-outlier.ts";
import type { OutlierReport } from "./report.ts";
import { HostCells, SlotMemory } from "./slots.ts";

function settingsOf(config: OutlierDetectionJson): OutlierSettings {
  const settings = compileOutlier({ outlierDetection: { maxEjectionPercent: 100, ...config } });
  assert.ok(settings !== undefined);
  return settings;
}

/** A detector and one worker's reports to it. */
class Scene {
  readonly clock = new FakeClock();
  readonly stats = new WorkerStats(() => undefined);
  readonly detector: OutlierDetector;
  readonly ejected = new Set<string>();
  readonly degraded = new Set<string>();
  readonly lines: string[] = [];
  readonly #settings: OutlierSettings;
  readonly #runtime: Runtime;
  #hosts: readonly HostOutlier[] = [];

  constructor(config: OutlierDetectionJson, hosts: number, runtime: Runtime = emptyRuntime) {
    this.#settings = settingsOf(config);
    this.#runtime = runtime;
    const sink: AccessLogSink = { write: (line) => this.lines.push(line) };
    this.detector = new OutlierDetector({
      cluster: "c",
      settings: this.#settings,
      clock: this.clock,
      random: seededRandom(7),
      runtime,
      stats: new DetectorStats(this.stats.scope("cluster.c.")),
      memory: new SlotMemory(true),
      log: new OutlierEventLog(sink, this.clock),
      onVerdict: (host, state, on) => {
        const set = state === "ejected" ? this.ejected : this.degraded;
        if (on) set.add(host);
        else set.delete(host);
      },
    });
    this.detector.start();
    this.update(Array.from({ length: hosts }, (_, index) => endpoint(index)));
  }

  update(endpoints: readonly EndpointSpec[]): void {
    const { chunks, slots } = this.detector.update(members(endpoints));
    const reporting = {
      settings: this.#settings,
      runtime: this.#runtime,
      report: (name: string, kind: OutlierReport["kind"]) => {
        if (kind === "degraded") this.detector.onDegraded(name);
        else this.detector.onConsecutive(name, kind);
      },
    };
    this.#hosts = Object.entries(slots).map(
      ([name, slot]) => new HostOutlier(reporting, new HostCells(chunks, slot), name),
    );
  }

  host(index: number): HostOutlier {
    const host = this.#hosts[index];
    assert.ok(host !== undefined);
    return host;
  }

  answer(index: number, status: number, times = 1): void {
    for (let i = 0; i < times; i++) this.host(index).onResponse(status);
  }

  get active(): number {
    return this.count("ejections_active", "gauge");
  }

  count(name: string, kind: "counter" | "gauge" = "counter"): number {
    return this.stats[kind](`cluster.c.outlier_detection.${name}`).value;
  }

  /** How long the first host stays out when it is ejected now. */
  outMs(): number {
    this.answer(0, 500);
    assert.equal(this.active, 1);
    let ms = 0;
    for (; this.active === 1; ms += 1000) this.clock.advance(1000);
    return ms;
  }
}

const key = (index: number): string => `0 10.0.0.${index}:80`;

test("an ejection ends with the first interval after its time", () => {
  const scene = new Scene({ consecutive5xx: 1, interval: "10s", baseEjectionTime: "15s" }, 1);
  scene.clock.advance(4000);
  scene.answer(0, 500);
  assert.deepEqual([...scene.ejected], [key(0)]);
  scene.clock.advance(15_999);
  assert.equal(scene.ejected.size, 1, "at 19.999 s; its time is over at 19 s, the interval is not");
  scene.clock.advance(1);
  assert.equal(scene.ejected.size, 0);
});

test("each ejection lasts one base time longer, up to the maximum", () => {
  const scene = new Scene(
    { consecutive5xx: 1, interval: "1s", baseEjectionTime: "10s", maxEjectionTime: "25s" },
    1,
  );
  const lasted = Array.from({ length: 5 }, () => scene.outMs());
  assert.deepEqual(lasted, [10_000, 20_000, 25_000, 25_000, 25_000]);
});

test("quiet intervals shorten the next ejection, one base time each", () => {
  const scene = new Scene({ consecutive5xx: 1, interval: "1s", baseEjectionTime: "10s" }, 1);
  assert.deepEqual([scene.outMs(), scene.outMs(), scene.outMs()], [10_000, 20_000, 30_000]);
  scene.clock.advance(2000);
  assert.equal(scene.outMs(), 20_000, "three less two, and one more");
  scene.clock.advance(60_000);
  assert.equal(scene.outMs(), 10_000, "never below one");
});

test("the jitter is added to the time, also to the longest", () => {
  const lasted = new Set<number>();
  const config = { baseEjectionTime: "1s", maxEjectionTime: "1s", maxEjectionTimeJitter: "5s" };
  const scene = new Scene({ consecutive5xx: 1, interval: "1s", ...config }, 1);
  for (let i = 0; i < 100; i++) lasted.add(scene.outMs());
  assert.deepEqual(
    [...lasted].sort((a, b) => a - b),
    [2000, 3000, 4000, 5000, 6000],
  );
});

test("the limit counts all hosts of the cluster", () => {
  const scene = new Scene({ consecutive5xx: 1, maxEjectionPercent: 50 }, 5);
  for (const index of [0, 1, 2]) scene.answer(index, 500);
  assert.equal(scene.active, 2);
  assert.equal(scene.count("ejections_overflow"), 1);
});

test("always_eject_one_host: one, whatever the limit", () => {
  const scene = new Scene(
    { consecutive5xx: 1, maxEjectionPercent: 0, alwaysEjectOneHost: true },
    3,
  );
  for (const index of [0, 1]) scene.answer(index, 500);
  assert.deepEqual([...scene.ejected], [key(0)]);
});

test("a host that leaves makes room, and comes back as another", () => {
  const scene = new Scene({ consecutive5xx: 1, maxEjectionPercent: 50 }, 2);
  scene.answer(0, 500);
  scene.update([endpoint(1), endpoint(2)]);
  assert.equal(scene.active, 0);
  scene.answer(0, 500);
  assert.equal(scene.active, 1);
  scene.update([endpoint(0), endpoint(1), endpoint(2)]);
  assert.equal(scene.active, 1);
  assert.equal(scene.detector.host(key(0))?.ejection.count, 0);
  scene.update([endpoint(1, { hostname: "other" })]);
  assert.equal(scene.active, 0, "another hostname is another host");
});

test("a report about a host that has left, or is ejected already, changes nothing", () => {
  const scene = new Scene({}, 1);
  scene.detector.onConsecutive("0 10.9.9.9:80", "consecutive5xx");
  scene.detector.onConsecutive(key(0), "consecutive5xx");
  scene.detector.onConsecutive(key(0), "consecutiveGatewayFailure");
  assert.equal(scene.count("ejections_detected_consecutive_5xx"), 1);
  assert.equal(scene.count("ejections_detected_consecutive_gateway_failure"), 0);
});

test("a slot that was given back begins with nothing", () => {
  const scene = new Scene({ consecutive5xx: 2 }, 1);
  scene.answer(0, 500);
  scene.update([endpoint(9)]);
  scene.answer(0, 500);
  assert.equal(scene.active, 0);
});

test("success rate: below the mean by so many deviations", () => {
  const scene = new Scene({ enforcingConsecutive5xx: 0 }, 5);
  for (let index = 0; index < 5; index++) {
    scene.answer(index, 200, index === 4 ? 50 : 100);
    scene.answer(index, 500, index === 4 ? 50 : 0);
  }
  scene.clock.advance(10_000);
  // Rates 100, 100, 100, 100, 50: mean 90, deviation 20, threshold 90 - 1.9 * 20.
  assert.deepEqual(scene.detector.threshold("external"), { average: 90, threshold: 52 });
  assert.deepEqual([...scene.ejected], [key(4)]);
  assert.equal(scene.detector.host(key(4))?.successRate.external, 50);
  assert.deepEqual(JSON.parse(scene.lines.at(-1) ?? ""), {
    type: "SUCCESS_RATE",
    timestamp: "2026-01-01T00:00:10.000Z",
    cluster_name: "c",
    upstream_url: "10.0.0.4:80",
    action: "EJECT",
    num_ejections: 1,
    enforced: true,
    eject_success_rate_event: {
      host_success_rate: 50,
      cluster_average_success_rate: 90,
      cluster_success_rate_ejection_threshold: 52,
    },
  });
  scene.clock.advance(10_000);
  assert.deepEqual(scene.detector.threshold("external"), { average: -1, threshold: -1 });
  assert.equal(scene.detector.host(key(4))?.successRate.external, -1, "an interval without any");
});

test("success rate: only hosts with the volume are compared, and only so many of them", () => {
  const scene = new Scene({ enforcingConsecutive5xx: 0 }, 6);
  for (let index = 0; index < 6; index++)
    scene.answer(index, index === 0 ? 500 : 200, index === 5 ? 100 : 99);
  scene.clock.advance(10_000);
  assert.equal(scene.count("ejections_detected_success_rate"), 0);
  assert.equal(scene.detector.threshold("external").average, -1);
  // The failure percentage's volume of 50 was reached.
  assert.equal(scene.count("ejections_detected_failure_percentage"), 1);
  assert.equal(scene.detector.host(key(0))?.successRate.external, 0);
});

test("failure percentage: at the threshold and above", () => {
  const config = { enforcingFailurePercentage: 100, enforcingSuccessRate: 0 };
  const scene = new Scene({ enforcingConsecutive5xx: 0, ...config }, 5);
  const failures = [84, 85, 86, 0, 0];
  for (const [index, failed] of failures.entries()) {
    scene.answer(index, 500, failed);
    scene.answer(index, 200, 100 - failed);
  }
  scene.clock.advance(10_000);
  assert.deepEqual([...scene.ejected], [key(1), key(2)]);
});

test("split: both origins have their rates", () => {
  const config = { enforcingConsecutiveLocalOriginFailure: 0 };
  const scene = new Scene({ splitExternalLocalOriginErrors: true, ...config }, 5);
  for (let index = 0; index < 5; index++) {
    for (let i = 0; i < 100; i++) {
      if (index === 0) scene.host(index).onFailure();
      else scene.host(index).onConnected();
    }
    scene.answer(index, 200, 100);
  }
  assert.equal(scene.count("ejections_detected_consecutive_local_origin_failure"), 20);
  scene.clock.advance(10_000);
  assert.deepEqual(scene.detector.threshold("external"), { average: 100, threshold: 100 });
  assert.deepEqual(scene.detector.threshold("local"), { average: 80, threshold: 4 });
  assert.deepEqual([...scene.ejected], [key(0)]);
  const event = JSON.parse(scene.lines.at(-1) ?? "");
  assert.equal(event.type, "SUCCESS_RATE_LOCAL_ORIGIN");
  assert.equal(event.eject_success_rate_event.host_success_rate, 0);
});

test("a successful health check takes a host back at once, unless it must not", () => {
  for (const [uneject, left] of [
    [true, 0],
    [false, 1],
  ] as const) {
    const config = { consecutive5xx: 1, successfulActiveHealthCheckUnejectHost: uneject };
    const scene = new Scene(config, 1);
    scene.answer(0, 500);
    scene.detector.onHealthCheckPassed(key(0));
    assert.equal(scene.ejected.size, left);
    assert.equal(scene.active, left);
  }
});

test("the runtime changes times and shares while it runs", () => {
  const values: Record<string, number> = {};
  const runtime: Runtime = {
    ...emptyRuntime,
    number: (name, absent) => values[name] ?? absent,
    featureEnabled: (name, numerator, denominator, draw) =>
      draw < (values[name ?? ""] ?? numerator) / denominator,
  };
  const scene = new Scene({ consecutive5xx: 5 }, 1, runtime);
  values["outlier_detection.consecutive_5xx"] = 1;
  values["outlier_detection.enforcing_consecutive_5xx"] = 0;
  scene.answer(0, 500);
  assert.equal(scene.count("ejections_detected_consecutive_5xx"), 1);
  assert.equal(scene.active, 0);
  values["outlier_detection.enforcing_consecutive_5xx"] = 100;
  values["outlier_detection.base_ejection_time_ms"] = 1000;
  scene.answer(0, 500);
  assert.equal(scene.active, 1);
  scene.clock.advance(10_000);
  assert.equal(scene.active, 0);
});

test("enforcement is drawn: half of the findings", () => {
  const config = { consecutive5xx: 1, enforcingConsecutive5xx: 50 };
  const scene = new Scene(config, 1000);
  for (let index = 0; index < 1000; index++) scene.answer(index, 500);
  // Five sigma are 79.
  assert.ok(Math.abs(scene.active - 500) < 80, String(scene.active));
  assert.equal(scene.count("ejections_detected_consecutive_5xx"), 1000);
});

test("a stopped detector waits for nothing", () => {
  const scene = new Scene({}, 1);
  scene.detector.stop();
  assert.equal(scene.clock.waiting, 0);
});

test("refuses a longest time below the base time, and ORIGINAL_DST", () => {
  const config = { baseEjectionTime: "400s", maxEjectionTime: "399s" };
  assert.throws(() => settingsOf(config), /outlier_detection.max_ejection_time: cannot be smaller/);
  assert.equal(settingsOf({ baseEjectionTime: "400s" }).maxEjectionTime.threshold, 400_000);
  const original = { type: "ORIGINAL_DST", outlierDetection: {} } as const;
  assert.throws(() => compileOutlier(original), /outlier_detection/);
});

const request = new RequestHead("GET", "/", "a", 11, HeaderList.of({}));

function says(status: number): ResponseHead {
  const head = new ResponseHead(status);
  head.headers.set("x-envoy-degraded", "");
  return head;
}

test("a degraded host: apart from ejections, for as long as one", () => {
  const config = { consecutive5xx: 1, baseEjectionTime: "15s", detectDegradedHosts: true };
  const scene = new Scene(config, 1);
  scene.host(0).onAnswer(request, says(500));
  assert.equal(scene.degraded.size, 0, "an error is an error");
  scene.clock.advance(60_000);
  scene.host(0).onAnswer(request, says(404));
  scene.host(0).onAnswer(request, says(200));
  scene.answer(0, 500);
  assert.deepEqual([scene.degraded.size, scene.ejected.size], [1, 1]);
  assert.equal(scene.count("ejections_detected_degradation"), 1);
  scene.clock.advance(20_000);
  assert.deepEqual([scene.degraded.size, scene.ejected.size], [0, 0]);
  const log = scene.lines.map((line) => JSON.parse(line)).map(({ type, action }) => [type, action]);
  assert.deepEqual(log.slice(2), [
    ["DEGRADED", "EJECT"],
    ["CONSECUTIVE_5XX", "EJECT"],
    ["CONSECUTIVE_5XX", "UNEJECT"],
    ["CONSECUTIVE_5XX", "UNEJECT"],
  ]);
});

test("without detect_degraded_hosts nobody looks", () => {
  const scene = new Scene({}, 1);
  scene.host(0).onAnswer(request, says(200));
  assert.equal(scene.degraded.size, 0);
});
