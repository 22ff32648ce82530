/** `npm run test:soak -- [--minutes 60] [--rate 60] [--rest-every-minutes 5] [--seed 1]`: the soak of the traffic features, with its curve. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runSoak, type SoakResult } from "./soak/run.ts";
import { judge } from "./soak/verdict.ts";

const tell = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      rate: { type: "string", default: "60" },
      "rest-every-minutes": { type: "string", default: "5" },
      seed: { type: "string", default: "1" },
    },
  });
  const minutes = Number(values.minutes);
  const every = Math.min(Number(values["rest-every-minutes"]), minutes);
  const folder = mkdtempSync(join(tmpdir(), "heddle-soak-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const result = await runSoak({
    folder,
    cycle: { seconds: every * 60, requests: 1 },
    cycles: Math.max(1, Math.round(minutes / every)),
    rate: Number(values.rate),
    seed: Number(values.seed),
    tell,
  });
  return report(result);
}

function report(result: SoakResult): number {
  tell("\noutcomes");
  for (const [name, count] of [...result.outcomes].sort()) tell(`  ${name}: ${count}`);
  tell("\ncounters that moved");
  for (const [name, count] of Object.entries(result.counters))
    if (count > 0) tell(`  ${name}: ${count}`);
  const problems = judge(result);
  tell(problems.length === 0 ? "\nnothing leaked" : `\nPROBLEMS\n${problems.join("\n")}`);
  return problems.length === 0 ? 0 : 1;
}
