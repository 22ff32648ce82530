/** `heddle explain`: what happens to a call, and which rules decided it. */
import { Option } from "commander";
import { ConfigError } from "#lib/config-error.ts";
import { generateXds } from "#pilot/generate.ts";
import type { ProxyView } from "#pilot/view.ts";
import { Simulation } from "#proxy/simulate.ts";
import type { Call } from "#proxy/simulated-call.ts";
import { command, dataExit, parseFlags } from "./flags.ts";
import type { Terminal } from "./mesh/terminal.ts";
import { readCall } from "./offline/call-file.ts";
import { type ExplainedCall, explained } from "./offline/explained.ts";
import { explainedText } from "./offline/explained-text.ts";
import { readJsonFile } from "./offline/json-file.ts";
import { addProxyFlags, type ProxyFlags, readView } from "./offline/proxy-flags.ts";
import { printWarnings } from "./offline/warnings.ts";
import type { OfflineIo } from "./offline-io.ts";

interface ExplainFlags extends ProxyFlags {
  readonly call: string;
  readonly output: "text" | "json";
}

/** The exit code. Problems are lines on standard output, as those of `heddle validate`. */
export function runExplain(argv: readonly string[], io: OfflineIo): number {
  const { terminal } = io;
  const parser = addProxyFlags(command("explain", terminal))
    .description(
      "Says what happens to calls of a proxy, and which rules decide it, from files alone.",
    )
    .requiredOption("--call <file>", "JSON: a call, or a list of calls (docs/reference/explain.md)")
    .addOption(
      new Option("-o, --output <format>", "for people or for programs")
        .choices(["text", "json"])
        .default("text"),
    );
  const flags = parseFlags(parser, argv, {
    terminal,
    read: (parsed) => parsed.opts<ExplainFlags>(),
  });
  if (typeof flags === "number") return flags;
  const calls = readCalls(flags.call, io);
  const read = readView(flags, io);
  const problems = [
    ...("problems" in read ? read.problems : []),
    ...("problems" in calls ? calls.problems : []),
  ];
  if ("problems" in read || "problems" in calls) return refused(problems, terminal);
  const results = explainAll(read.view, calls.calls);
  if ("problems" in results) return refused(results.problems, terminal);
  printWarnings(read.view, terminal);
  print({ ...calls, results: results.results, format: flags.output }, terminal);
  return 0;
}

function refused(problems: readonly string[], { stdout }: Terminal): number {
  for (const problem of problems) stdout.write(`${problem}\n`);
  return dataExit;
}

interface Calls {
  readonly calls: readonly Call[];
  /** The file holds one call, not a list: so is the answer. */
  readonly single: boolean;
}

function readCalls(path: string, io: OfflineIo): Calls | { readonly problems: readonly string[] } {
  const json = readJsonFile(path, io);
  if ("problem" in json) return { problems: [json.problem] };
  const { value } = json;
  const single = !Array.isArray(value);
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const read = items.map((item, index) => readCall(item, single ? path : `${path}[${index}]`));
  const problems = read.flatMap((one) => ("problems" in one ? one.problems : []));
  if (problems.length > 0) return { problems };
  return { calls: read.flatMap((one) => ("call" in one ? [one.call] : [])), single };
}

type Explanations =
  | { readonly results: readonly ExplainedCall[] }
  | { readonly problems: readonly string[] };

function explainAll(view: ProxyView, calls: readonly Call[]): Explanations {
  const simulation = new Simulation(generateXds(view));
  try {
    return { results: calls.map((call) => explained(simulation.run(call))) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: [`the proxy would refuse its configuration: ${error.message}`] };
  }
}

function print(
  {
    calls,
    single,
    results,
    format,
  }: Calls & { readonly results: readonly ExplainedCall[]; readonly format: "text" | "json" },
  { stdout }: Terminal,
): void {
  if (format === "json") {
    stdout.write(`${JSON.stringify(single ? results[0] : results, undefined, 2)}\n`);
    return;
  }
  const texts = calls.flatMap((call, index) => {
    const result = results[index];
    return result === undefined ? [] : [explainedText(call, result)];
  });
  stdout.write(texts.join("\n"));
}
