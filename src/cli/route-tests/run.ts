import { ConfigError } from "#lib/config-error.ts";
import { generateXds } from "#pilot/generate.ts";
import { type OfflineMesh, offlineMesh, offlineNode, offlineView } from "#pilot/offline.ts";
import type { ProxyView } from "#pilot/view.ts";
import { Simulation } from "#proxy/simulate.ts";
import { type ConfigFile, readConfigFiles } from "../config-files.ts";
import { readCall } from "../offline/call-file.ts";
import { callOfUrl, homeOf } from "../offline/call-url.ts";
import { type DecidingRule, explained } from "../offline/explained.ts";
import type { OfflineIo } from "../offline-io.ts";
import { type Difference, differences } from "./compare.ts";
import { becameOf } from "./outcome.ts";
import type { Caller, RouteTest, RouteTestFile } from "./read.ts";

export interface TestResult {
  readonly test: RouteTest;
  /** Empty: passed. */
  readonly differences: readonly Difference[];
  readonly rules: readonly DecidingRule[];
}

export interface FileResult {
  readonly file: RouteTestFile;
  readonly results: readonly TestResult[];
  /** Why some tests could not be run; one line each. */
  readonly problems: readonly string[];
}

export function runRouteTests(file: RouteTestFile, io: OfflineIo): FileResult {
  const problems: string[] = [];
  const mesh = readMesh(file, io, problems);
  const callers = new Map<Caller, CallerSimulation | undefined>();
  const results = file.tests.flatMap((test): readonly TestResult[] => {
    if (mesh?.state === undefined) return [];
    const caller = test.from ?? file.from;
    if (!callers.has(caller)) callers.set(caller, simulationOf(caller, mesh, file, problems));
    const simulation = callers.get(caller);
    const result = simulation && runTest(test, simulation);
    if (typeof result === "string")
      problems.push(`${file.name}:${test.line} ${test.name}: ${result}`);
    return result === undefined || typeof result === "string" ? [] : [result];
  });
  return { file, results, problems };
}

function readMesh(
  file: RouteTestFile,
  { readStdin }: OfflineIo,
  problems: string[],
): OfflineMesh | undefined {
  const read = (paths: readonly string[]): readonly ConfigFile[] =>
    readConfigFiles(paths, { recursive: false, readStdin }).flatMap((one) => {
      if ("text" in one) return [one];
      problems.push(`${one.name}:1:1 ?/?/? document: ${one.problem}`);
      return [];
    });
  const files = read(file.configuration);
  const [meshConfig] = file.meshConfig === undefined ? [] : read([file.meshConfig]);
  const mesh = offlineMesh({ files, meshConfig });
  problems.push(...mesh.problems);
  return problems.length > 0 ? undefined : mesh;
}

interface CallerSimulation {
  readonly view: ProxyView;
  readonly simulation: Simulation;
}

function simulationOf(
  { node, metadata }: Caller,
  { state }: OfflineMesh,
  file: RouteTestFile,
  problems: string[],
): CallerSimulation | undefined {
  const named = offlineNode(node, metadata);
  if ("problems" in named || state === undefined) {
    const found = "problems" in named ? named.problems : [];
    problems.push(...found.map((problem) => `${file.name}: from: ${problem}`));
    return undefined;
  }
  const view = offlineView(state, named.node);
  return { view, simulation: new Simulation(generateXds(view)) };
}

/** A string: why it could not be run. */
function runTest(test: RouteTest, { view, simulation }: CallerSimulation): TestResult | string {
  const read = readTestCall(test.call, view);
  if ("problems" in read) return read.problems.join("; ");
  try {
    const outcome = simulation.run(read.call);
    const home = { namespace: view.node.namespace, domain: view.scope.domain };
    return {
      test,
      differences: differences(test.expect, becameOf(outcome), home),
      rules: explained(outcome).rules,
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return `the proxy would refuse its configuration: ${error.message}`;
  }
}

/** A URL, the fields of a call, or both: fields win over what the URL says. */
function readTestCall(call: unknown, view: ProxyView): ReturnType<typeof readCall> {
  const isGateway = view.node.type === "router";
  const mode = isGateway ? { callMode: "gateway" } : {};
  if (typeof call === "string") return readUrlCall(call, view, mode);
  if (typeof call !== "object" || call === null || Array.isArray(call)) {
    return { problems: ["call: must be a URL or an object"] };
  }
  const { url, ...fields } = Object.fromEntries<unknown>(Object.entries(call));
  if (url === undefined) return readCall({ ...mode, ...fields }, "call");
  if (typeof url !== "string") return { problems: ["call.url: must be a string"] };
  return readUrlCall(url, view, { ...mode, ...fields });
}

function readUrlCall(
  url: string,
  view: ProxyView,
  fields: Readonly<Record<string, unknown>>,
): ReturnType<typeof readCall> {
  const parsed = callOfUrl(url, homeOf(view));
  if (typeof parsed === "string") return { problems: [parsed] };
  return readCall({ ...parsed, ...fields }, "call");
}
