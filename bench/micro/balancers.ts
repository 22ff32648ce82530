/** `npm run bench:balancers`: what a pick among 1,000 hosts costs with each balancer, and what making it does. */
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { systemRandom } from "#lib/random.ts";
import { Word64 } from "#lib/word64.ts";
import type { BalancerConfig, BalancerFactory, Picker } from "#proxy/balancer/balancer.ts";
import { hashingDefaults } from "#proxy/balancer/hashing-config.ts";
import { leastRequest } from "#proxy/balancer/least-request.ts";
import { maglev } from "#proxy/balancer/maglev.ts";
import { randomBalancer } from "#proxy/balancer/random.ts";
import { ringHash } from "#proxy/balancer/ring-hash.ts";
import { roundRobin } from "#proxy/balancer/round-robin.ts";
import type { Host } from "#proxy/cluster/host.ts";
import { compileHashPolicy } from "#proxy/route/hash-policy.ts";
import { host } from "../../testkit/hosts.ts";
import { emptyRuntime } from "../../testkit/picker-suite.ts";
import { streamInfo } from "../../testkit/stream-info.ts";

const hostCount = 1000;
const picks = 1_000_000;
const rounds = 5;

interface Subject {
  readonly name: string;
  readonly factory: BalancerFactory;
  readonly config?: BalancerConfig;
  readonly weighted?: true;
}

const subjects: readonly Subject[] = [
  { name: "round robin", factory: roundRobin },
  { name: "round robin, weights", factory: roundRobin, weighted: true },
  { name: "random", factory: randomBalancer },
  { name: "least request", factory: leastRequest },
  { name: "least request, weights", factory: leastRequest, weighted: true },
  {
    name: "least request, full scan",
    factory: leastRequest,
    config: { selectionMethod: "FULL_SCAN" },
  },
  { name: "ring hash (2,000 places)", factory: ringHash },
  {
    name: "ring hash (100,000 places)",
    factory: ringHash,
    config: { hashing: { ...hashingDefaults, ringSizeMin: 100_000 } },
  },
  { name: "ring hash, weights", factory: ringHash, weighted: true },
  {
    name: "ring hash, bounded load",
    factory: ringHash,
    config: { hashing: { ...hashingDefaults, balanceFactor: 150 } },
  },
  { name: "maglev (65,537 entries)", factory: maglev },
  { name: "maglev, weights", factory: maglev, weighted: true },
];

const hash = new Word64();
let sum = 0;

function main(): void {
  tell(`${hostCount} hosts; best of ${rounds} rounds of ${picks} picks`);
  for (const subject of subjects) measure(subject);
  measureHashing();
  // The picks must not be optimised away.
  if (sum < 0) tell("");
}

function measure({ name, factory, config, weighted }: Subject): void {
  const hosts = Array.from({ length: hostCount }, (_, index) =>
    host(index, { weight: weighted === true ? 1 + (index % 10) : 1 }),
  );
  const make = (): Picker =>
    factory.make(hosts, { config, random: systemRandom, runtime: emptyRuntime });
  const makeMs = best(() => make(), 1) / 1e6;
  const picker = make();
  const perPick = best(() => pickAll(picker), picks);
  tell(
    `${name.padEnd(30)} ${perPick.toFixed(1).padStart(8)} ns a pick ${makeMs.toFixed(2).padStart(8)} ms to make`,
  );
}

function pickAll(picker: Picker): void {
  for (let i = 0; i < picks; i++) {
    // Spreads the hashes evenly over 64 bits.
    hash.set(Math.imul(i, 0x9e3779b1), Math.imul(i, 0x85ebca77));
    const picked: Host | undefined = picker.pick({}, hash);
    sum += picked?.weight ?? 0;
  }
}

function measureHashing(): void {
  const info = streamInfo();
  const headers = new HeaderList(["accept", "*/*", "cookie", "a=b; sticky=0123456789abcdef"]);
  const head = new RequestHead("GET", "/", "host", 11, headers);
  headers.add("x-user", "0b8e3c5a-7a1d-4c55-9c1e-8f8f6f0f3a11");
  for (const [name, policy] of [
    ["header of 36 bytes", { header: { headerName: "x-user" } }],
    ["cookie of 16 bytes", { cookie: { name: "sticky" } }],
    ["source address", { connectionProperties: { sourceIp: true } }],
  ] as const) {
    const compiled = compileHashPolicy([policy]);
    const each = best(() => {
      for (let i = 0; i < picks; i++) {
        compiled?.(hash, head, info);
        sum += hash.low & 1;
      }
    }, picks);
    tell(`${`hash policy: ${name}`.padEnd(30)} ${each.toFixed(1).padStart(8)} ns`);
  }
}

/** Nanoseconds for one of `count`. */
function best(run: () => void, count: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    run();
    least = Math.min(least, Number(process.hrtime.bigint() - begin) / count);
  }
  return least;
}

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

main();
