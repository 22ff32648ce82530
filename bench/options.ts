import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type Contender, proxies } from "./proxies.ts";
import { type IdleScenario, idleScenarios, type Scenario, scenarios } from "./scenarios.ts";

const names = [...scenarios, ...idleScenarios].map(({ name }) => name);

export const usage: string = `npm run bench -- [options]
  --quick            one short round of a few scenarios: does everything work?
  --only A,B         only these scenarios: ${names.join(" ")}
  --proxies A,B      only these proxies: ${proxies.map(({ name }) => name).join(" ")}
  --rounds N         rounds over all proxies (5)
  --seconds N        measured time of a run (4)
  --warmup-seconds N load before the measured time (3)
  --attempts N       how often a run is made at most when others disturb it (3)
  --rate N           requests a second of the runs at half load, instead of half of what Envoy reached
  --no-half-load     only saturation
  --cores P,L        the core of the proxy, and that of load generator and upstream (1,0)
  --output FILE      where the tables go (bench/RESULTS.md for a whole run, else only to the screen)
  --json FILE        every run, for other tools
`;

export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly idleScenarios: readonly IdleScenario[];
  readonly proxies: readonly Contender[];
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly rate: number | undefined;
  readonly halfLoad: boolean;
  /** How often a run is made at most when others disturb it; the least disturbed one counts. */
  readonly attemptsMax: number;
  readonly proxyCore: number;
  readonly loadCore: number;
  /** Whether every scenario and proxy takes part at full length: only then the results are the project's. */
  readonly whole: boolean;
  readonly output: string | undefined;
  readonly json: string | undefined;
}

/** Throws with a message for the user. */
export function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      proxies: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      "warmup-seconds": { type: "string" },
      attempts: { type: "string" },
      rate: { type: "string" },
      "no-half-load": { type: "boolean", default: false },
      cores: { type: "string", default: "1,0" },
      output: { type: "string" },
      json: { type: "string" },
    },
  });
  const { quick, only } = values;
  const [proxyCore, loadCore] = readCores(values.cores);
  return {
    ...chooseScenarios(quick, only),
    proxies: values.proxies === undefined ? proxies : pick(proxies, values.proxies),
    rounds: positive("--rounds", values.rounds) ?? (quick ? 1 : 5),
    durationMs: 1000 * (positive("--seconds", values.seconds) ?? (quick ? 1 : 4)),
    warmupMs: 1000 * (positive("--warmup-seconds", values["warmup-seconds"]) ?? (quick ? 1 : 3)),
    rate: positive("--rate", values.rate),
    attemptsMax: positive("--attempts", values.attempts) ?? (quick ? 1 : 3),
    halfLoad: !values["no-half-load"],
    proxyCore,
    loadCore,
    whole: !quick && only === undefined && values.proxies === undefined && !values["no-half-load"],
    output: values.output,
    json: values.json,
  };
}

function chooseScenarios(
  quick: boolean,
  only: string | undefined,
): Pick<Options, "scenarios" | "idleScenarios"> {
  if (only === undefined) {
    return {
      scenarios: scenarios.filter((one) => one.quick || !quick),
      idleScenarios: quick ? [] : idleScenarios,
    };
  }
  const chosen = new Set(pick([...scenarios, ...idleScenarios], only).map(({ name }) => name));
  return {
    scenarios: scenarios.filter(({ name }) => chosen.has(name)),
    idleScenarios: idleScenarios.filter(({ name }) => chosen.has(name)),
  };
}

function pick<T extends { readonly name: string }>(all: readonly T[], list: string): readonly T[] {
  return list.split(",").map((name) => {
    const found = all.find((one) => one.name === name);
    if (found === undefined)
      throw new Error(`${name} is none of ${all.map((one) => one.name).join(" ")}`);
    return found;
  });
}

function positive(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0 && value <= 1_000_000))
    throw new Error(`${option} needs a number above 0, not ${text}`);
  return value;
}

function readCores(text: string): readonly [number, number] {
  const [proxyCore, loadCore] = text.split(",").map(Number);
  const count = availableParallelism();
  for (const core of [proxyCore, loadCore]) {
    if (core === undefined || !Number.isInteger(core) || core < 0 || core >= count) {
      throw new Error(`--cores needs two core numbers below ${count}, not ${text}`);
    }
  }
  if (proxyCore === undefined || loadCore === undefined || proxyCore === loadCore) {
    throw new Error(
      "--cores needs two cores: a proxy that shares one with its load is not measured",
    );
  }
  return [proxyCore, loadCore];
}
