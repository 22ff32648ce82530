/** `npm run bench`: Heddle beside Envoy, nginx and haproxy. Nothing here passes or fails by time: it reports. */
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { measureAll } from "./measure.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { heddleBinary } from "./proxies.ts";
import { writeReport } from "./report.ts";
import { destroyWhenInterrupted, startRig } from "./rig.ts";
import { prepareTools } from "./setup.ts";

const resultsFile = fileURLToPath(new URL("RESULTS.md", import.meta.url));

const tell = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help")) {
    tell(usage);
    return 0;
  }
  let options: Options;
  try {
    options = readOptions(argv);
  } catch (error) {
    tell(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return 2;
  }
  if (options.proxies.some(({ name }) => name === "heddle") && !existsSync(heddleBinary)) {
    tell("bin/heddle is not there: run `npm ci`, or leave heddle out with --proxies");
    return 2;
  }
  await run(options);
  return 0;
}

async function run(options: Options): Promise<void> {
  const scenarios = [...options.scenarios, ...options.idleScenarios];
  const upstreams = new Set(scenarios.map(({ upstream }) => upstream));
  const tools = prepareTools({
    proxies: new Set(options.proxies.map(({ name }) => name)),
    loads: new Set(scenarios.map(({ load }) => load.kind)),
    upstreams,
  });
  const rig = await startRig(tools, { ...options, upstreams });
  destroyWhenInterrupted(rig);
  try {
    const results = await measureAll({ options, rig, tell });
    const versions = options.proxies.map(({ name, version }) => [name, version()] as const);
    const date = new Date().toISOString().slice(0, 10);
    const report = writeReport({ results, options, versions, date });
    tell(`\n${report}`);
    const output = options.output ?? (options.whole ? resultsFile : undefined);
    if (output !== undefined) writeFileSync(output, report);
    if (options.json !== undefined)
      writeFileSync(options.json, `${JSON.stringify(results, null, 1)}\n`);
  } finally {
    await rig.destroy();
  }
}
