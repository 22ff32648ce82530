/** Garbage for the reader of objects: it may find problems, and must not throw. */
import assert from "node:assert/strict";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { registry } from "#gen/registry.js";
import {
  printObjectProblem,
  type ReadObjects,
  readObjects,
  readObjectValue,
} from "#model/documents.ts";
import { allKinds, apiVersionOf } from "#model/kinds.ts";
import { readMeshConfig, readMeshNetworks } from "#model/mesh-config.ts";
import { readNode } from "#model/read-node.ts";

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed?: number;
}

const run = <T>(
  arbitrary: fc.Arbitrary<T>,
  options: FuzzOptions,
  check: (input: T) => void,
): void =>
  fc.assert(fc.property(arbitrary, check), {
    numRuns: options.inputs,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  });

/** What must hold of every answer. */
function checkRead({ objects, problems, warnings }: ReadObjects): void {
  for (const problem of [...problems, ...warnings]) {
    assert.ok(problem.line >= 1 && problem.column >= 1, JSON.stringify(problem));
    assert.match(printObjectProblem(problem), /^[^\n]*:\d+:\d+ \S+\/\S+\/\S+ [^\n]+: /);
  }
  for (const object of objects) {
    assert.notEqual(object.metadata.name, "");
    object.source?.positionOf(["spec", "hosts", 0]);
  }
}

const words = fc.constantFrom(
  "apiVersion: networking.istio.io/v1\n",
  "kind: VirtualService\n",
  "kind: List\n",
  "metadata: {name: a}\n",
  "metadata:\n  labels: {a: b}\n",
  "spec:\n",
  "  hosts: [a]\n",
  "  http:\n",
  "  - route: [{destination: {host: a}}]\n",
  "items:\n",
  "- ",
  "---\n",
  "...\n",
  "&a ",
  "*a ",
  "!!map ",
  "? ",
  ": ",
  "|\n ",
  "%YAML 1.1\n",
  "{",
  "}",
  "[",
  "]",
  '"',
  "\t",
  "\u0000",
  "\ufeff",
  "\r",
);

/** Texts: of any characters, and of pieces of real ones. */
export function fuzzTexts(options: FuzzOptions): void {
  const text = fc.oneof(
    fc.string({ maxLength: 200, unit: "binary" }),
    fc
      .array(fc.oneof(words, fc.string({ maxLength: 5 })), { maxLength: 30 })
      .map((parts) => parts.join("")),
  );
  run(text, options, (input) => {
    checkRead(readObjects("fuzz.yaml", input));
    readMeshConfig("fuzz.yaml", input);
    readMeshNetworks("fuzz.yaml", input);
  });
}

/** Objects of every kind whose spec has the message's own fields with values of any sort. */
export function fuzzSpecs(options: FuzzOptions): void {
  const kinds = allKinds();
  const object = fc.nat({ max: kinds.length - 1 }).chain((index) => {
    const kind = kinds[index];
    assert.ok(kind);
    const message = "message" in kind.body ? registry.getMessage(kind.body.message) : undefined;
    const spec = message === undefined ? fc.jsonValue({ maxDepth: 3 }) : messageOf(message, 6);
    const metadata = fc.oneof(fc.constant({ name: "a" }), fc.jsonValue({ maxDepth: 2 }));
    return fc.record({ metadata, spec }).map((body) => ({
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      ...body,
    }));
  });
  run(object, options, (value) => {
    // What is written is JSON, and undefined is none.
    const json = JSON.parse(JSON.stringify(value));
    checkRead(readObjectValue("fuzz.json", json));
    checkRead(readObjects("fuzz.json", JSON.stringify(json)));
  });
}

export function fuzzNodes(options: FuzzOptions): void {
  const id = fc.oneof(
    fc.string(),
    fc
      .array(fc.constantFrom("sidecar", "~", "10.0.0.1", "a.b", ".", "svc", ""), { maxLength: 9 })
      .map((parts) => parts.join("")),
  );
  const keys = ["LABELS", "INSTANCE_IPS", "DNS_CAPTURE", "NAMESPACE", "INTERCEPTION_MODE"];
  const metadata = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue());
  run(fc.record({ id, metadata }), options, (message) => {
    const read = readNode(message);
    if ("problems" in read) assert.ok(read.problems.length > 0);
    else assert.notEqual(read.node.namespace, "");
  });
}

const texts: fc.Arbitrary<unknown> = fc.constantFrom(
  ...[
    "",
    "a",
    "*",
    "*.a.b",
    "a.b",
    "a/b",
    "~/*",
    "1.2.3.4",
    "1.2.3.4/8",
    "unix:///a",
    "1s",
    "0s",
    "1.5ms",
    "(",
  ],
  ...[
    "x-a",
    "%A%",
    "{*}/{**}",
    "127.0.0.1:80",
    "HTTP",
    "TCP",
    "80",
    "mesh",
    "default",
    "outbound_.80_._.a",
    "[]",
  ],
);

const anything = fc.jsonValue({ maxDepth: 1 });

function messageOf(message: DescMessage, depth: number): fc.Arbitrary<unknown> {
  if (message.typeName === "google.protobuf.Duration") return fc.oneof(texts, anything);
  if (message.typeName.startsWith("google.protobuf."))
    return fc.oneof(scalarOf(message.fields[0]?.scalar), anything);
  if (depth <= 0) return fc.constant({});
  const fields = message.fields.map((field) => [field.jsonName, fieldOf(field, depth)] as const);
  // Few at once, so that something is valid now and then.
  return fc
    .subarray(fields, { maxLength: Math.min(5, fields.length) })
    .chain((chosen) => fc.record(Object.fromEntries(chosen)));
}

function fieldOf(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const single = (): fc.Arbitrary<unknown> =>
    field.message !== undefined
      ? messageOf(field.message, depth - 1)
      : field.enum !== undefined
        ? fc.constantFrom(...field.enum.values.map(({ name }) => name), "NOBODY", 99)
        : scalarOf(field.scalar);
  const usual =
    field.fieldKind === "list"
      ? fc.array(single(), { maxLength: 3 })
      : field.fieldKind === "map"
        ? fc.dictionary(fc.constantFrom("a", "x-b", "80", "", "*"), single(), { maxKeys: 3 })
        : single();
  return fc.oneof({ weight: 19, arbitrary: usual }, { weight: 1, arbitrary: anything });
}

function scalarOf(scalar: ScalarType | undefined): fc.Arbitrary<unknown> {
  if (scalar === ScalarType.STRING || scalar === ScalarType.BYTES) return texts;
  if (scalar === ScalarType.BOOL) return fc.boolean();
  return fc.constantFrom<unknown>(
    0,
    1,
    -1,
    80,
    100,
    101,
    65_536,
    0.5,
    "NaN",
    "-Infinity",
    4_294_967_295,
  );
}
