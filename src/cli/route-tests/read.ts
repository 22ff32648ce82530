import { dirname, join } from "node:path";
import { readSources } from "#config/source-text.ts";
import { type CallError, callErrors } from "#proxy/simulated-call.ts";
import { Reader } from "./document.ts";

/** Routes of one configuration, tested by calls of one caller. */
export interface RouteTestFile {
  readonly name: string;
  /** Files and folders, as paths. */
  readonly configuration: readonly string[];
  readonly meshConfig: string | undefined;
  readonly from: Caller;
  readonly tests: readonly RouteTest[];
}

export interface Caller {
  readonly node: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface RouteTest {
  readonly name: string;
  readonly line: number;
  /** Somebody else than the file's caller. */
  readonly from: Caller | undefined;
  /** `GET http://reviews:9080/`, or the fields of a call file, `url` among them or not. */
  readonly call: unknown;
  readonly expect: Expectation;
}

/** A destination as routes name it; a short host is of the caller's namespace. */
export interface Destination {
  readonly host: string;
  readonly subset: string | undefined;
  readonly port: number | undefined;
}

export interface WeightedDestination extends Destination {
  readonly weight: number;
}

/** What is said of it must be so. */
export interface Expectation {
  readonly destination?: Destination;
  readonly destinations?: readonly WeightedDestination[];
  readonly mirrors?: readonly Destination[];
  readonly cluster?: string;
  readonly route?: string;
  readonly status?: number;
  readonly redirect?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: readonly (readonly [name: string, value: string | null])[];
  readonly timeout?: string;
  readonly delay?: string;
  readonly retries?: number;
  readonly error?: CallError;
}

export interface ReadRouteTests {
  readonly files: readonly RouteTestFile[];
  readonly problems: readonly string[];
}

const defaultNode = "sidecar~127.0.0.1~test.default~default.svc.cluster.local";

/** A file may hold several documents. What it names is beside it. */
export function readRouteTests(name: string, text: string): ReadRouteTests {
  const problems: string[] = [];
  const files: RouteTestFile[] = [];
  for (const source of readSources(name, text)) {
    for (const { line, column, message } of source.unreadable) {
      problems.push(`${name}:${line}:${column} document: ${message}`);
    }
    if (source.value === undefined || source.unreadable.length > 0) continue;
    files.push(readFile(name, new Reader({ source, problems }, source.value)));
  }
  if (files.length === 0 && problems.length === 0) {
    problems.push(`${name}:1:1 document: holds no test`);
  }
  return { files, problems };
}

function readFile(name: string, root: Reader): RouteTestFile {
  const fields = root.fields(["configuration", "meshConfig", "from", "tests"]);
  const folder = dirname(name);
  const configuration = fields.configuration.list().flatMap((path) => path.text() ?? []);
  const meshConfig = fields.meshConfig.text();
  if (!fields.tests.isSet) root.refuse("tests are required");
  const from = readCaller(fields.from) ?? { node: defaultNode, metadata: {} };
  return {
    name,
    configuration:
      configuration.length === 0 ? [folder] : configuration.map((path) => join(folder, path)),
    meshConfig: meshConfig === undefined ? undefined : join(folder, meshConfig),
    from,
    tests: fields.tests.list().map((test, index) => readTest(test, index)),
  };
}

function readCaller(reader: Reader): Caller | undefined {
  if (!reader.isSet) return undefined;
  const fields = reader.fields(["node", "namespace", "labels", "gateway", "metadata"]);
  const namespace = fields.namespace.text() ?? "default";
  const isGateway = fields.gateway.value === true;
  if (fields.gateway.isSet && typeof fields.gateway.value !== "boolean") {
    fields.gateway.refuse("must be true or false");
  }
  const type = isGateway ? "router" : "sidecar";
  const node =
    fields.node.text() ?? `${type}~127.0.0.1~test.${namespace}~${namespace}.svc.cluster.local`;
  const labels = fields.labels
    .entries()
    .map(([label, value]) => [label, value.text() ?? ""] as const);
  const metadata = Object.fromEntries(
    fields.metadata.entries().map(([key, value]) => [key, value.value]),
  );
  return {
    node,
    metadata: labels.length === 0 ? metadata : { LABELS: Object.fromEntries(labels), ...metadata },
  };
}

function readTest(reader: Reader, index: number): RouteTest {
  const fields = reader.fields(["name", "from", "call", "expect"]);
  if (!fields.call.isSet) reader.refuse("a test needs a call");
  if (!fields.expect.isSet) reader.refuse("a test needs what to expect");
  const call = fields.call.value;
  return {
    name: fields.name.text() ?? (typeof call === "string" ? call : `test ${index + 1}`),
    line: reader.line,
    from: readCaller(fields.from),
    call,
    expect: readExpectation(fields.expect),
  };
}

function readExpectation(reader: Reader): Expectation {
  const fields = reader.fields([
    ...(["destination", "destinations", "mirrors", "cluster", "route", "status"] as const),
    ...(["redirect", "path", "host", "headers", "timeout", "delay", "retries", "error"] as const),
  ]);
  const destination = readDestination(fields.destination);
  const status = fields.status.number();
  const retries = fields.retries.number();
  for (const name of ["timeout", "delay"] as const) {
    const text = fields[name].text();
    if (text !== undefined && !/^\d+(?:\.\d+)?s$/.test(text)) {
      fields[name].refuse(`"${text}" is no duration such as 1.5s`);
    }
  }
  const expectation: Expectation = {
    ...texts(fields, ["cluster", "route", "redirect", "path", "host", "timeout", "delay"]),
    ...(destination === undefined ? {} : { destination }),
    ...(status === undefined ? {} : { status }),
    ...(retries === undefined ? {} : { retries }),
    ...(fields.destinations.isSet ? { destinations: readWeighted(fields.destinations) } : {}),
    ...(fields.mirrors.isSet
      ? { mirrors: fields.mirrors.list().flatMap((one) => readDestination(one) ?? []) }
      : {}),
    ...(fields.headers.isSet ? { headers: readHeaders(fields.headers) } : {}),
    ...readError(fields.error),
  };
  if (reader.isSet && Object.keys(expectation).length === 0) reader.refuse("expects nothing");
  return expectation;
}

function texts<K extends string>(
  fields: Readonly<Record<K, Reader>>,
  names: readonly K[],
): Readonly<Partial<Record<K, string>>> {
  const entries = names.flatMap((name) => {
    const text = fields[name].text();
    return text === undefined ? [] : [[name, text] as const];
  });
  // Proof: the keys are of K, and each value is a string.
  return Object.fromEntries(entries) as Partial<Record<K, string>>;
}

/** `reviews`, or `{host: reviews, subset: v2, port: 9080}`. */
function readDestination(reader: Reader): Destination | undefined {
  if (!reader.isSet) return undefined;
  if (typeof reader.value === "string") {
    return { host: reader.value, subset: undefined, port: undefined };
  }
  const { host, subset, port } = reader.fields(["host", "subset", "port"]);
  return destinationOf(reader, { host, subset, port });
}

function readWeighted(reader: Reader): readonly WeightedDestination[] {
  return reader.list().flatMap((item) => {
    const { weight, ...rest } = item.fields(["host", "subset", "port", "weight"]);
    const destination = destinationOf(item, rest);
    const share = weight.number() ?? weight.refuse("is required");
    return destination === undefined || share === undefined
      ? []
      : [{ ...destination, weight: share }];
  });
}

function destinationOf(
  reader: Reader,
  { host, subset, port }: Readonly<Record<"host" | "subset" | "port", Reader>>,
): Destination | undefined {
  const name = host.text();
  if (name === undefined) return reader.refuse("a destination needs a host");
  return { host: name, subset: subset.text(), port: port.number() };
}

/** Null: the header must not be there. */
function readHeaders(reader: Reader): readonly (readonly [string, string | null])[] {
  return reader
    .entries()
    .map(([name, value]) => [name.toLowerCase(), value.isSet ? (value.text() ?? "") : null]);
}

function readError(reader: Reader): Pick<Expectation, "error"> {
  const text = reader.text();
  if (text === undefined) return {};
  const error = callErrors.find((known) => known === text);
  if (error === undefined) {
    reader.refuse(`"${text}" is none of ${callErrors.join(", ")}`);
    return {};
  }
  return { error };
}
