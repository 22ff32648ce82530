/**
 * A proxy under steady load, in cycles: load with faults, ejections and new endpoints; then rest. At rest everything that counts
 * what is under way must be what it was before the first request, and memory is measured after a collection.
 */
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemClock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { Authority } from "../../../testkit/pki.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { ProxyProcess } from "../../parity/harness/proxy-process.ts";
import type { Side } from "../../parity/harness/sides.ts";
import { Load, type Ports } from "./clients.ts";
import {
  bootstrap,
  clusterNames,
  type EndpointLine,
  type TlsFiles,
  writeEndpoints,
} from "./config.ts";
import {
  type Counts,
  collectHeaps,
  differences,
  hasChildren,
  keptBytes,
  type Sample,
  statsOf,
  type ThreadHeap,
  takeSample,
} from "./samples.ts";
import { startUpstreams, type Upstream } from "./upstreams.ts";

export interface SoakOptions {
  /** Empty; for what the proxy reads and writes. */
  readonly folder: string;
  /** Load in one cycle: at least so long, and at least so many requests. */
  readonly cycle: { readonly seconds: number; readonly requests: number };
  readonly cycles: number;
  /** Requests in a second. */
  readonly rate: number;
  readonly seed: number;
  readonly tell: (line: string) => void;
}

/** What the proxy holds. */
interface Held {
  readonly sample: Sample;
  readonly heaps: readonly ThreadHeap[];
}

interface Look extends Held {
  /** What is not as it should be. */
  readonly restless: readonly string[];
}

export interface Rest extends Held {
  readonly requests: number;
  readonly seconds: number;
}

export interface SoakResult {
  /** The first one is before any load. */
  readonly rests: readonly Rest[];
  readonly counters: Counts;
  readonly outcomes: ReadonlyMap<string, number>;
  /** What did not come to rest, and what the proxy complained of. */
  readonly problems: readonly string[];
}

const workers = 2;
const endpointsEveryMs = 3000;
const sampleEveryMs = 5000;
/** Idle connections, ejections and retries all end in far less; only a leak takes so long. */
const restPatienceMs = 60_000;
/** Longer than the interval of health checks. */
const settledMs = 1500;
/** The process's own, which no request moves. */
const movingGauges = /^server\.|^cluster\..*\.version$|\.ring_hash_lb\./;
const rotateBytes = 16 * 1024 * 1024;

const repository = fileURLToPath(new URL("../../..", import.meta.url));

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const soak = await Soak.start(options);
  try {
    return await soak.run();
  } finally {
    await soak.stop();
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #proxy: ProxyProcess;
  readonly #upstreams: readonly Upstream[];
  readonly #load: Load;
  readonly #random: Random;
  readonly #startedMs = systemClock.monotonicMs();
  readonly #rests: Rest[] = [];
  readonly #problems: string[] = [];
  /** Before the first load there is no rest to compare with: all must stay as it is for a while. */
  #previous: Held | undefined;

  private constructor(
    options: SoakOptions,
    parts: {
      readonly proxy: ProxyProcess;
      readonly upstreams: readonly Upstream[];
      readonly random: Random;
    },
  ) {
    this.#options = options;
    this.#proxy = parts.proxy;
    this.#upstreams = parts.upstreams;
    this.#random = parts.random;
    this.#load = new Load({
      ports: portsOf(parts.proxy),
      random: parts.random,
      rate: options.rate,
    });
  }

  static async start(options: SoakOptions): Promise<Soak> {
    const { folder } = options;
    const random = seededRandom(options.seed);
    const { files, server } = await writeCertificates(folder);
    const upstreams = await startUpstreams({ random, tls: server });
    allEndpoints(folder, upstreams);
    const proxy = await ProxyProcess.start({
      side: { name: "heddle", command: () => command(folder), serveArguments: [] } satisfies Side,
      bootstrap: bootstrap({ folder, tls: files }),
      folder,
      arguments: ["--concurrency", String(workers)],
    });
    // However this process ends, the proxy must not outlive it.
    process.once("exit", () => proxy.child.kill("SIGKILL"));
    return new Soak(options, { proxy, upstreams, random });
  }

  async stop(): Promise<void> {
    this.#load.pause();
    this.#load.closeConnections();
    await this.#proxy.stop();
    for (const upstream of this.#upstreams) upstream.close();
  }

  async run(): Promise<SoakResult> {
    await this.#rest();
    for (let cycle = 0; cycle < this.#options.cycles; cycle++) {
      await this.#loaded();
      await this.#rest();
    }
    const complaints = this.#proxy.output.split("\n").filter((line) => line !== "");
    return {
      rests: this.#rests,
      counters: await statsOf(this.#proxy, "Counters"),
      outcomes: this.#load.outcomes,
      problems: [...this.#problems, ...complaints],
    };
  }

  async #loaded(): Promise<void> {
    const { cycle } = this.#options;
    const beganMs = systemClock.monotonicMs();
    const launched = this.#load.launched;
    for (const upstream of this.#upstreams) upstream.calm = false;
    this.#load.start();
    let [endpointsMs, sampledMs] = [beganMs, beganMs];
    for (;;) {
      const now = systemClock.monotonicMs();
      const done = this.#load.launched - launched >= cycle.requests;
      if (done && now - beganMs >= cycle.seconds * 1000) break;
      if (!this.#proxy.running) throw new Error(`the proxy has ended:\n${this.#proxy.output}`);
      if (now - endpointsMs >= endpointsEveryMs) {
        endpointsMs = now;
        this.#changeEndpoints();
      }
      if (now - sampledMs >= sampleEveryMs) {
        sampledMs = now;
        await this.#rotateLog();
        this.#tell("load", await takeSample(this.#proxy));
      }
      await delay(100);
    }
    this.#load.pause();
  }

  /** Some hosts come and go, one in each cluster is sick, now and then one is not there at all, or all are gone. */
  #changeEndpoints(): void {
    const random = this.#random;
    for (const name of clusterNames) {
      const hosts = this.#upstreams.filter((upstream) => upstream.name === name);
      for (const host of hosts) host.sick = false;
      const sick = hosts[random.below(hosts.length * 2)];
      if (sick !== undefined) sick.sick = true;
      const endpoints: EndpointLine[] = hosts
        .filter(() => random.below(4) > 0)
        .map(({ port }) => ({
          port,
          weight: 1 + random.below(3),
          health: (["UNHEALTHY", "DRAINING"] as const)[random.below(12)] ?? "HEALTHY",
        }));
      if (random.below(4) === 0) endpoints.push({ port: 1 });
      writeEndpoints(this.#options, { name, endpoints: random.below(25) === 0 ? [] : endpoints });
    }
  }

  /** As logrotate does it: the old file must be let go. */
  async #rotateLog(): Promise<void> {
    const file = `${this.#options.folder}/access.log`;
    if (statSync(file).size < rotateBytes) return;
    rmSync(file);
    await this.#proxy.admin("/reopen_logs", "POST");
  }

  async #rest(): Promise<void> {
    if (this.#rests.length > 0) allEndpoints(this.#options.folder, this.#upstreams);
    const deadlineMs = systemClock.monotonicMs() + restPatienceMs;
    while (this.#load.active > 0 && systemClock.monotonicMs() < deadlineMs) await delay(50);
    if (this.#load.active > 0) this.#problem(`${this.#load.active} requests never ended`);
    this.#load.closeConnections();
    for (const upstream of this.#upstreams) {
      upstream.sick = false;
      upstream.calm = true;
    }
    let found = await this.#look();
    while (found.restless.length > 0 && systemClock.monotonicMs() < deadlineMs) {
      await delay(this.#rests.length === 0 ? settledMs : 250);
      found = await this.#look();
    }
    for (const line of found.restless) this.#problem(line);
    const { sample, heaps } = found;
    this.#rests.push({
      requests: this.#load.launched,
      seconds: this.#seconds(),
      sample,
      heaps,
    });
    const kept = heaps.map((heap) => megabytes(keptBytes([heap]))).join(" + ");
    const timers = heaps.map((heap) => heap.timers).join(" + ");
    this.#tell(`rest, heaps ${kept}, timers ${timers}`, await takeSample(this.#proxy));
  }

  async #look(): Promise<Look> {
    const { folder } = this.#options;
    const sample = await takeSample(this.#proxy);
    const heaps = await collectHeaps(this.#proxy, { folder, threads: workers + 1 });
    const now = { sample, heaps };
    const reference = this.#rests[0] ?? this.#previous;
    this.#previous = now;
    if (hasChildren(this.#proxy)) return { ...now, restless: ["it reads configuration"] };
    if (reference === undefined) return { ...now, restless: ["nothing to compare with"] };
    const ill = this.#rests.length === 0 ? unhealthy(sample.gauges) : [];
    return { ...now, restless: [...ill, ...restlessness(now, reference)] };
  }

  #problem(line: string): void {
    const text = `after ${this.#load.launched} requests: ${line}`;
    this.#problems.push(text);
    this.#options.tell(`PROBLEM ${text}`);
  }

  #seconds(): number {
    return (systemClock.monotonicMs() - this.#startedMs) / 1000;
  }

  #tell(phase: string, { rss, heap, descriptors, gauges }: Sample): void {
    const sum = (pattern: RegExp): number =>
      Object.entries(gauges).reduce((total, [name, n]) => total + (pattern.test(name) ? n : 0), 0);
    const files = Object.values(descriptors).reduce((total, count) => total + count, 0);
    this.#options.tell(
      [
        `${this.#seconds().toFixed(0)} s`,
        `${this.#load.launched} requests`,
        `rss ${megabytes(rss)}`,
        `main heap ${megabytes(heap)}`,
        `fds ${files}`,
        `down ${sum(/^http\.(?!admin).*downstream_cx_active$/)}/${sum(/^http\.(?!admin).*downstream_rq_active$/)}`,
        `up ${sum(/upstream_cx_active$/)}/${sum(/upstream_rq_active$/)}`,
        `ejected ${sum(/ejections_active$/)}`,
        phase,
      ].join(", "),
    );
  }
}

function restlessness(now: Held, then: Held): readonly string[] {
  return [
    ...differences(now.sample.gauges, then.sample.gauges).filter(
      (line) => !movingGauges.test(line),
    ),
    ...differences(now.sample.descriptors, then.sample.descriptors).map(
      (line) => `descriptors: ${line}`,
    ),
    // Whatever keeps a thread's event loop alive.
    ...now.heaps.flatMap(({ resources }, thread) =>
      differences(resources, then.heaps[thread]?.resources ?? {}).map(
        (line) => `thread ${thread}: ${line}`,
      ),
    ),
  ];
}

/** Clusters with hosts that health checks have not found yet. */
function unhealthy(gauges: Counts): readonly string[] {
  return clusterNames
    .filter(
      (name) =>
        gauges[`cluster.${name}.membership_total`] === 0 ||
        gauges[`cluster.${name}.membership_healthy`] !== gauges[`cluster.${name}.membership_total`],
    )
    .map((name) => `${name} has unhealthy hosts`);
}

const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(2)} MiB`;

function command(folder: string): readonly string[] {
  const probe = new URL("heap-probe.mjs", import.meta.url);
  const environment = [
    `NODE_OPTIONS=--disable-warning=ExperimentalWarning --import=${probe}`,
    `SOAK_FOLDER=${folder}`,
  ];
  return ["env", ...environment, `${repository}bin/heddle`, "proxy"];
}

function portsOf(proxy: ProxyProcess): Ports {
  const port = (name: string): number => {
    const address = proxy.listener(name);
    if (!("port" in address)) throw new Error(`${name} has no port`);
    return address.port;
  };
  return { http1: port("http1"), http2: port("http2"), tls: port("tls"), tcp: port("tcp") };
}

function allEndpoints(folder: string, upstreams: readonly Upstream[]): void {
  for (const name of clusterNames) {
    const endpoints = upstreams.filter((upstream) => upstream.name === name);
    writeEndpoints({ folder }, { name, endpoints: endpoints.map(({ port }) => ({ port })) });
  }
}

interface Certificates {
  readonly files: TlsFiles;
  readonly server: { readonly cert: string; readonly key: string };
}

async function writeCertificates(folder: string): Promise<Certificates> {
  const authority = await Authority.create();
  const issued = await authority.issue({ dns: ["localhost"], ip: ["127.0.0.1"] });
  const files: TlsFiles = {
    certificate: `${folder}/tls/server.pem`,
    key: `${folder}/tls/server.key`,
    authority: `${folder}/tls/ca.pem`,
  };
  mkdirSync(`${folder}/tls`);
  writeFileSync(files.certificate, issued.certificate);
  writeFileSync(files.key, issued.key);
  writeFileSync(files.authority, authority.certificate);
  return { files, server: { cert: issued.certificate, key: issued.key } };
}
