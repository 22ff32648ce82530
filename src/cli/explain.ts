/** `heddle explain`: what happens to a call, and which rules decided it. */
import { type Command, Option } from "commander";
import { ConfigError } from "#lib/config-error.ts";
import { generateXds } from "#pilot/generate.ts";
import type { ProxyView } from "#pilot/view.ts";
import { Simulation } from "#proxy/simulate.ts";
import type { Call } from "#proxy/simulated-call.ts";
import { command, dataExit, parseFlags, UsageError, usageExit } from "./flags.ts";
import { explainLive } from "./live/explain-live.ts";
import type { Terminal } from "./mesh/terminal.ts";
import { readCall } from "./offline/call-file.ts";
import { homeOf, urlCall } from "./offline/call-url.ts";
import { type ExplainedCall, explained } from "./offline/explained.ts";
import { explainedText } from "./offline/explained-text.ts";
import { readJsonFile } from "./offline/json-file.ts";
import { addOfflineFlags, type ProxyFlags, readView } from "./offline/proxy-flags.ts";
import { printWarnings } from "./offline/warnings.ts";
import type { OfflineIo } from "./offline-io.ts";

interface ExplainFlags extends Partial<ProxyFlags> {
  readonly call?: string;
  readonly header: readonly string[];
  readonly request?: string;
  readonly server?: string;
  readonly output: "text" | "json";
}

interface Asked {
  readonly flags: ExplainFlags;
  /** What is not a flag: who calls, and where to. */
  readonly words: readonly string[];
}

/** The exit code. Offline, problems are lines on standard output, as those of `heddle validate`. */
export async function runExplain(argv: readonly string[], io: OfflineIo): Promise<number> {
  const { terminal } = io;
  const asked = parseFlags(parserOf(terminal), argv, { terminal, read: check });
  if (typeof asked === "number") return asked;
  const { flags, words } = asked;
  const { filename, node } = flags;
  if (filename !== undefined && node !== undefined) {
    return explainOffline({ ...flags, filename, node }, words[0], io);
  }
  const [proxy = "", url = ""] = words;
  return explainLive(
    {
      ...{ proxy, url, headers: flags.header, method: flags.request },
      ...{ server: flags.server, format: flags.output },
    },
    io,
  );
}

function parserOf(terminal: Terminal): Command {
  const parser = command("explain", terminal)
    .description(
      "Says what happens to a call, and which rules decide it: of a proxy that runs (heddle explain productpage http://reviews:9080/), or from files alone (-f, --node).",
    )
    .usage(
      "<proxy> <url> [-H <header>]\n       heddle explain -f <paths> --node <id> <url> | --call <file>",
    )
    .argument(
      "[words...]",
      "who calls (a proxy's name or its service; not with -f), and [METHOD] URL",
    );
  return addOfflineFlags(parser)
    .option("--call <file>", "JSON: a call, or a list of calls (docs/reference/explain.md)")
    .addOption(
      new Option("-H, --header <header>", "name: value; may be given again")
        .argParser((text: string, before: readonly string[]) => [...before, text])
        .default([]),
    )
    .option("-X, --request <method>", "the request's method")
    .option(
      "--server <url>",
      "the control plane's API (HEDDLE_SERVER, else the mesh that runs in this folder)",
    )
    .addOption(
      new Option("-o, --output <format>", "for people or for programs")
        .choices(["text", "json"])
        .default("text"),
    );
}

function check(parser: Command): Asked {
  const flags = parser.opts<ExplainFlags>();
  const words = parser.args;
  if (flags.filename === undefined) {
    if (words.length === 2) return { flags, words };
    throw new UsageError(
      "name who calls and where to (heddle explain productpage http://reviews:9080/), or files (-f)",
    );
  }
  if (flags.node === undefined) throw new UsageError("-f needs --node: which proxy it is about");
  if (words.length + (flags.call === undefined ? 0 : 1) !== 1) {
    throw new UsageError("-f needs one URL, or calls in a file (--call)");
  }
  return { flags, words };
}

type OfflineFlags = ExplainFlags & Required<Pick<ProxyFlags, "filename" | "node">>;

function explainOffline(flags: OfflineFlags, url: string | undefined, io: OfflineIo): number {
  const { terminal } = io;
  const read = readView({ recursive: false, ...flags }, io);
  const written = flags.call === undefined ? undefined : readCalls(flags.call, io);
  if ("problems" in read || (written !== undefined && "problems" in written)) {
    const problems = [read, written].flatMap((one) =>
      one !== undefined && "problems" in one ? one.problems : [],
    );
    return refused(problems, terminal);
  }
  const calls = written ?? urlCalls(url ?? "", flags, read.view);
  if ("problems" in calls) {
    for (const problem of calls.problems) terminal.stderr.write(`heddle explain: ${problem}\n`);
    return usageExit;
  }
  const results = explainAll(read.view, calls.calls);
  if ("problems" in results) return refused(results.problems, terminal);
  printWarnings(read.view, terminal);
  print({ ...calls, results: results.results, format: flags.output }, terminal);
  return 0;
}

/** A URL's host is looked up in what the proxy sees. */
function urlCalls(url: string, { header, request }: ExplainFlags, view: ProxyView): ReadCalls {
  const call = urlCall({ url, headers: header, method: request }, homeOf(view));
  if ("problems" in call) return call;
  const mode = view.node.type === "router" ? ({ callMode: "gateway" } as const) : {};
  return { calls: [{ ...call.call, ...mode }], single: true };
}

type ReadCalls = Calls | { readonly problems: readonly string[] };

function refused(problems: readonly string[], { stdout }: Terminal): number {
  for (const problem of problems) stdout.write(`${problem}\n`);
  return dataExit;
}

interface Calls {
  readonly calls: readonly Call[];
  /** The file holds one call, not a list: so is the answer. */
  readonly single: boolean;
}

function readCalls(path: string, io: OfflineIo): ReadCalls {
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
