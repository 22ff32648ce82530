/** `npm run bench:pilot`: a thousand proxies at one control plane, Pilot's and one made with go-control-plane. It reports, nothing fails by time. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { clusterType, endpointType, routeType } from "#xds/resource-type.ts";
import { GoControlPlane, type GoSnapshot } from "../../testkit/go-control-plane.ts";
import { cpuSeconds, readMemory } from "../machine.ts";
import type { ClientsCommand, ClientsReply } from "./clients-process.ts";
import type { Dump, PilotCommand, PilotReply } from "./pilot-process.ts";
import { type Row, table } from "./report.ts";
import { hostOf, nodeId, route, rule, service } from "./world.ts";

interface Options {
  readonly proxies: number;
  readonly services: number;
  readonly endpoints: number;
  readonly rounds: number;
  readonly only: string | undefined;
  readonly output: string | undefined;
}

const usage = `npm run bench:pilot -- [options]
  --proxies N     simulated proxies (1000)
  --services N    services (1000)
  --endpoints N   endpoints of each (10)
  --rounds N      changes of each kind (5)
  --only NAME     heddle or go-control-plane
  --output FILE   where the table goes (bench/pilot/RESULTS.md for a whole run, else only to the screen)
`;

const tell = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** A control plane under test: its process, and how its configuration is changed. */
interface Contender {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** Of the debounce, which is no work. */
  readonly waitsMs: number;
  /** Resolves with when the change was made; milliseconds since 1970. */
  change(kind: Change, round: number): Promise<number>;
  stop(): Promise<void>;
}

type Change = "endpoint" | "service" | "route";

const expectedType = {
  endpoint: endpointType.typeUrl,
  service: clusterType.typeUrl,
  route: routeType.typeUrl,
} as const;

/** Not the service of the first proxy: what changes is somebody else's. */
const changedService = 7;

function objectOf(kind: Change, round: number, options: Options) {
  switch (kind) {
    case "endpoint":
      return service(changedService, options, round + 2);
    case "service":
      return rule(changedService, round + 100);
    default:
      return route(changedService, round + 1);
  }
}

class Child {
  readonly process: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor(file: string) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.process = fork(path, { serialization: "advanced" });
    this.#ended = new Promise((_, reject) => {
      this.process.once("exit", () => reject(new Error(`${file} has ended`)));
    });
    this.#ended.catch(() => {});
  }

  /** Resolves when it has loaded its modules. */
  static async start(file: string): Promise<Child> {
    const child = new Child(file);
    await child.answer();
    return child;
  }

  ask<R>(command: PilotCommand | ClientsCommand): Promise<R> {
    const answered = this.answer<R>();
    this.process.send(command);
    return answered;
  }

  answer<R>(): Promise<R> {
    const message = new Promise<R>((resolve) => {
      // Proof: whoever asks knows what the answer to it is.
      this.process.once("message", (reply) => resolve(reply as R));
    });
    return Promise.race([message, this.#ended]);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null) return;
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }
}

async function startPilot(options: Options): Promise<Contender & { dump(): Promise<Dump> }> {
  const child = await Child.start("pilot-process.ts");
  const { services, endpoints } = options;
  const started = await child.ask<PilotReply & { port: number; loadedMs: number }>({
    do: "start",
    services,
    endpoints,
  });
  tell(`heddle: ${services} services loaded in ${started.loadedMs.toFixed(0)} ms`);
  return {
    name: "heddle",
    pid: child.process.pid ?? 0,
    port: started.port,
    waitsMs: 100,
    change: async (kind, round) => {
      const object = objectOf(kind, round, options);
      const { appliedMs } = await child.ask<{ appliedMs: number }>({ do: "apply", object });
      return appliedMs;
    },
    dump: () => child.ask<Dump>({ do: "dump", node: nodeId(0, services) }),
    stop: () => child.stop(),
  };
}

/** Serves what Pilot made: before the first change, and after one of each kind, for it to change between. */
interface Recording {
  readonly whole: Dump;
  readonly changed: Readonly<Record<Change, readonly Partial<Dump>[]>>;
}

async function record(options: Options): Promise<Recording> {
  const pilot = await startPilot(options);
  const whole = await pilot.dump();
  let before = whole;
  const changed: Record<Change, Partial<Dump>[]> = { endpoint: [], service: [], route: [] };
  for (const kind of ["endpoint", "service", "route"] as const) {
    for (let round = 0; round < options.rounds; round++) {
      await pilot.change(kind, round);
      const after = await pilot.dump();
      changed[kind].push(difference(before, after));
      before = after;
    }
  }
  await pilot.stop();
  return { whole, changed };
}

function difference(before: Dump, after: Dump): Partial<Dump> {
  const news = (key: keyof Dump) => {
    const known = new Set(before[key]);
    return after[key].filter((one) => !known.has(one));
  };
  return {
    clusters: news("clusters"),
    endpoints: news("endpoints"),
    listeners: news("listeners"),
    routes: news("routes"),
  };
}

async function startGo(recording: Recording): Promise<Contender> {
  const server = await GoControlPlane.start(0, { quiet: true });
  let version = 0;
  const set = async (snapshot: Omit<GoSnapshot, "version">): Promise<number> => {
    const appliedMs = performance.timeOrigin + performance.now();
    await server.set({ version: String(++version), ...snapshot });
    return appliedMs;
  };
  await set(recording.whole);
  return {
    name: "go-control-plane",
    pid: server.pid,
    port: server.port,
    waitsMs: 0,
    change: (kind, round) => set({ patch: true, ...recording.changed[kind][round] }),
    stop: () => server.kill(),
  };
}

interface Round {
  readonly work: string;
  /** Of each client, from the change to its last acknowledgement. */
  readonly tookMs: readonly number[];
  readonly cpuSeconds: number;
  readonly bytes: number;
}

async function measure(contender: Contender, options: Options): Promise<Row[]> {
  const clients = await Child.start("clients-process.ts");
  const rounds: Round[] = [];
  const run = async (work: string, begin: () => Promise<number>): Promise<void> => {
    const cpuBefore = cpuSeconds([contender.pid]);
    const answered = clients.answer<ClientsReply>();
    const beganMs = await begin();
    const { lastAckMs, bytes } = await answered;
    const tookMs = lastAckMs.map((atMs) => atMs - beganMs);
    const total = bytes.reduce((sum, one) => sum + one, 0);
    const used = cpuSeconds([contender.pid]) - cpuBefore;
    rounds.push({ work, tookMs, cpuSeconds: used, bytes: total / bytes.length });
    tell(
      `${contender.name}: ${work}: last ${Math.max(...tookMs).toFixed(0)} ms, ${used.toFixed(2)} CPU s`,
    );
  };
  const now = (): number => performance.timeOrigin + performance.now();
  const send = (command: ClientsCommand) => async (): Promise<number> => {
    const beganMs = now();
    clients.process.send(command);
    return beganMs;
  };
  try {
    const { proxies, services } = options;
    await run("all connect", send({ do: "connect", port: contender.port, proxies, services }));
    for (const kind of ["endpoint", "service", "route"] as const) {
      for (let round = 0; round < options.rounds; round++) {
        await clients.ask({ do: "expect", typeUrl: expectedType[kind] });
        await run(`one ${kind} changes`, () => contender.change(kind, round));
      }
    }
    await run("all come back", send({ do: "reconnect" }));
    const memory = readMemory([contender.pid]);
    return rowsOf(contender, rounds, memory);
  } finally {
    await clients.stop();
  }
}

function rowsOf(
  { name, waitsMs }: Contender,
  rounds: readonly Round[],
  memory: { readonly residentKb: number; readonly peakKb: number },
): Row[] {
  return [...new Set(rounds.map(({ work }) => work))].map((work) => {
    const own = rounds.filter((round) => round.work === work);
    return {
      contender: name,
      work,
      waitsMs: work.startsWith("one") ? waitsMs : 0,
      tookMs: own.map(({ tookMs }) => tookMs),
      cpuSeconds: own.map((round) => round.cpuSeconds),
      bytes: own.map(({ bytes }) => bytes),
      memory,
    };
  });
}

function readOptions(argv: readonly string[]): Options {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      proxies: text,
      services: text,
      endpoints: text,
      rounds: text,
      only: text,
      output: text,
    },
  });
  const count = (value: string | undefined, absent: number): number => {
    const number = Number(value ?? absent);
    if (!Number.isInteger(number) || number < 1)
      throw new Error(`${value} is not a number above 0`);
    return number;
  };
  return {
    proxies: count(values.proxies, 1000),
    services: count(values.services, 1000),
    endpoints: count(values.endpoints, 10),
    rounds: count(values.rounds, 5),
    only: values.only,
    output:
      values.output ??
      (argv.length === 0 ? fileURLToPath(new URL("RESULTS.md", import.meta.url)) : undefined),
  };
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help")) {
    tell(usage);
    return 0;
  }
  const options = readOptions(argv);
  tell(`${hostOf(changedService)} is what changes`);
  const rows: Row[] = [];
  const starts = {
    heddle: () => startPilot(options),
    "go-control-plane": async () => startGo(await record(options)),
  };
  for (const [name, start] of Object.entries(starts)) {
    if (options.only !== undefined && options.only !== name) continue;
    const contender = await start();
    try {
      rows.push(...(await measure(contender, options)));
    } finally {
      await contender.stop();
    }
  }
  const report = table(rows, options, new Date().toISOString().slice(0, 10));
  tell(`\n${report}`);
  if (options.output !== undefined) writeFileSync(options.output, report);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
