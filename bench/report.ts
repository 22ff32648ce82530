import { describeMachine } from "./machine.ts";
import { disturbance, type Phase, type Results, type Run } from "./measure.ts";
import type { Options } from "./options.ts";
import type { ProxyName } from "./proxies.ts";
import { idleSection } from "./report-idle.ts";
import { table } from "./report-table.ts";
import { median, summarize } from "./statistics.ts";

export interface ReportInput {
  readonly results: Results;
  readonly options: Options;
  readonly versions: readonly (readonly [proxy: string, version: string])[];
  readonly date: string;
}

/** The whole of RESULTS.md. */
export function writeReport(input: ReportInput): string {
  const { results, options } = input;
  const scenarios = options.scenarios.filter(({ name }) =>
    results.runs.some((run) => run.scenario === name),
  );
  const sections = [
    introduction(input),
    ratios(results.runs, options),
    ...scenarios.map(({ name, title }) => scenarioSection(results.runs, { name, title, options })),
    memorySection(results.runs, options),
    idleSection(results.idleRuns, {
      scenarios: options.idleScenarios,
      proxies: options.proxies.map(({ name }) => name),
    }),
    failureSection(results),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function introduction({ options, versions, date }: ReportInput): string {
  const seconds = (ms: number): string => `${ms / 1000} s`;
  return `# Benchmark: Heddle, Envoy, nginx and haproxy

Written by \`npm run bench\` on ${date}. ${describeMachine()}. ${versions.map((pair) => pair.join(" ")).join(", ")}.

- One worker for each proxy, alone on one core; load generator and upstream share another. Loopback.
- HTTP/1.1 keep-alive in clear text is sent and answered by \`bench/native/\`, HTTP/2 and TLS are sent by \`h2load\`, HTTP/2 is answered by \`nghttpd\`, gRPC is sent by \`ghz\` and answered by grpc-go, new TLS connections come from \`bench/native/\`. TLS is what each proxy offers by default with a certificate of ECDSA P-256; upstreams are clear text.
- ${options.rounds} rounds; in each the proxies take turns, freshly started every time: ${seconds(options.warmupMs)} of load unmeasured, ${seconds(options.durationMs)} measured. Values are medians over rounds; a ratio is the median of the rounds' ratios.
- *Saturation* is a closed loop: a connection asks again when it is answered. *Half load* is an open loop at a constant rate, half of what Envoy reached at saturation, the same for all; its latencies count from the moment a request was due. Foreign generators are measured at saturation only; their latencies count from the moment a request was sent.
- CPU is user and kernel time of all processes and threads of the proxy, read at both ends of the measured time. *Core* says how much of its core the proxy used: below 100 % the load generator or the upstream was the limit, and requests a second say nothing, requests a CPU second still do.
- *Others* is time of both cores that nobody of the benchmark used, as part of one core; a run with more than 5 % is repeated, ${options.attemptsMax - 1} times at most.
- Heddle and Envoy read the same file (\`bench/configs/envoy-*.yaml\`); *mesh-like* is Istio's JSON access log, two RBAC filters, twenty routes, a header match and weighted clusters.`;
}

/** What the project is judged by, first: work for a CPU second and p99 at half load, as multiples of Envoy's. */
function ratios(runs: readonly Run[], { proxies, scenarios }: Options): string {
  const names = proxies.map(({ name }) => name);
  if (!names.includes("envoy")) return "";
  const rows = scenarios.flatMap(({ name: scenario }) => {
    const cells = names.map((proxy) => {
      const work = ratioToEnvoy(
        runs,
        { scenario, phase: "saturation", proxy },
        requestsPerCpuSecond,
      );
      const p99 = ratioToEnvoy(
        runs,
        { scenario, phase: "half", proxy },
        ({ report }) => report.latencyUs.p99,
      );
      return Number.isNaN(work) ? "–" : `${fixed(work, 2)} / ${fixed(p99, 2)}`;
    });
    return cells.every((cell) => cell === "–") ? [] : [[scenario, ...cells]];
  });
  if (rows.length === 0) return "";
  return `## Against Envoy

Requests a CPU second at saturation (more is better) / p99 at half load (less is better), as multiples of Envoy's.

${table(["scenario", ...names], rows)}`;
}

function scenarioSection(
  runs: readonly Run[],
  { name, title, options }: { name: string; title: string; options: Options },
): string {
  const parts = [`## ${name}\n\n${title}.`];
  for (const phase of ["saturation", "half"] as const) {
    const here = runs.filter((run) => run.scenario === name && run.phase === phase);
    if (here.length === 0) continue;
    const rows = options.proxies.flatMap(({ name: proxy }) =>
      phaseRow(here, { scenario: name, phase, proxy }),
    );
    const rate = here[0]?.rate;
    const caption =
      rate === undefined ? "Saturation" : `Half load, ${grouped(rate)} requests a second`;
    parts.push(`${caption}:\n\n${table(phaseColumns, rows)}`);
  }
  return parts.join("\n\n");
}

const phaseColumns = [
  "proxy",
  "requests/s",
  "core",
  "requests/CPU s",
  "(range)",
  "× Envoy",
  "p50 ms",
  "p99 ms",
  "p99.9 ms",
  "memory MB",
  "failed",
  "others",
];

function phaseRow(runs: readonly Run[], key: Key): readonly (readonly string[])[] {
  const mine = select(runs, key);
  if (mine.length === 0) return [];
  const middle = (measure: Measure): number => median(mine.map(measure));
  const work = summarize(mine.map(requestsPerCpuSecond));
  return [
    [
      key.proxy,
      grouped(middle(({ report }) => report.requests / report.seconds)),
      `${Math.round(middle(({ report }) => (100 * report.cpuSeconds) / report.seconds))} %`,
      grouped(work.median),
      `${grouped(work.min)}–${grouped(work.max)}`,
      fixed(ratioToEnvoy(runs, key, requestsPerCpuSecond), 2),
      fixed(
        middle(({ report }) => report.latencyUs.p50 / 1000),
        2,
      ),
      fixed(
        middle(({ report }) => report.latencyUs.p99 / 1000),
        2,
      ),
      fixed(
        middle(({ report }) => report.latencyUs.p999 / 1000),
        2,
      ),
      megabytes(middle(({ loaded }) => loaded.residentKb)),
      String(mine.reduce((sum, { report }) => sum + report.errors + report.unanswered, 0)),
      `${Math.round(100 * middle(disturbance))} %`,
    ],
  ];
}

function memorySection(runs: readonly Run[], { proxies }: Options): string {
  const kinds = [...new Set(runs.map(({ config }) => config))];
  if (kinds.length === 0) return "";
  const rows = proxies.flatMap(({ name }) => {
    const cells = kinds.map((kind) => {
      const mine = runs
        .filter((run) => run.proxy === name && run.config === kind)
        .map(({ idle }) => idle);
      if (mine.length === 0) return "–";
      const resident = median(mine.map(({ residentKb }) => residentKb));
      const anonymous = median(mine.map(({ anonymousKb }) => anonymousKb));
      return `${megabytes(resident)} (${megabytes(anonymous)})`;
    });
    return cells.every((cell) => cell === "–") ? [] : [[name, ...cells]];
  });
  return `## Idle memory

Resident memory in MB just after the start, all processes of the proxy; in parentheses without file-backed pages (its program and libraries).

${table(["proxy", ...kinds], rows)}`;
}

function failureSection({ failures }: Results): string {
  if (failures.length === 0) return "";
  const lines = failures.map(({ proxy, scenario, phase, message }) => {
    return `- ${proxy}, ${scenario}, ${phase}: ${message.split("\n")[0]}`;
  });
  return `## Not measured\n\n${lines.join("\n")}`;
}

interface Key {
  readonly scenario: string;
  readonly phase: Phase;
  readonly proxy: ProxyName;
}

type Measure = (run: Run) => number;

function requestsPerCpuSecond({ report }: Run): number {
  return report.requests / report.cpuSeconds;
}

function select(runs: readonly Run[], { scenario, phase, proxy }: Key): readonly Run[] {
  return runs.filter(
    (run) => run.scenario === scenario && run.phase === phase && run.proxy === proxy,
  );
}

/** Paired by round: the noise of a slow minute cancels. */
function ratioToEnvoy(runs: readonly Run[], key: Key, measure: Measure): number {
  const envoy = new Map(
    select(runs, { ...key, proxy: "envoy" }).map((run) => [run.round, measure(run)]),
  );
  const byRound = select(runs, key).flatMap((own) => {
    const reference = envoy.get(own.round);
    return reference === undefined ? [] : [measure(own) / reference];
  });
  return median(byRound);
}

function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

function grouped(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "–";
}

function megabytes(kilobytes: number): string {
  return fixed(kilobytes / 1024, 0);
}
