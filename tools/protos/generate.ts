/**
 * `npm run generate`: Envoy's v3 messages and Istio's as JavaScript with type declarations, in src/gen.
 *
 * The .proto files come from the npm package @grpc/grpc-js-xds, which carries them in deps/. Only the v3 ones and
 * what they import are taken; everything together takes about two seconds, because `buf` hands all files to one
 * plugin process (`strategy: all`) instead of starting one for each directory.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Additions, emptyFile, insertInto } from "./insert.ts";
import newerFields from "./newer-fields.json" with { type: "json" };
import { registrySources } from "./registry.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const dependencies = join(root, "node_modules/@grpc/grpc-js-xds/deps");
const shipped = (name: string): string => join(dependencies, name);
/** Istio's messages: no npm package has them. Its API's facts, without a word of its text. */
const own = join(root, "tools/protos");
const includes = [...["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map(shipped), own];
const output = join(root, "src/gen");
const work = join(root, "node_modules/.cache/heddle-protos");

const wanted = [
  { include: shipped("envoy-api"), pattern: "envoy/**/v3/*.proto" },
  { include: shipped("xds"), pattern: "xds/**/v3/*.proto" },
  { include: shipped("xds"), pattern: "udpa/type/v1/*.proto" },
  { include: own, pattern: "istio/**/*.proto" },
] as const;

// These import OpenCensus and OpenTelemetry files that the package does not carry.
const unbuildable: ReadonlySet<string> = new Set([
  "envoy/config/trace/v3/opencensus.proto",
  "envoy/extensions/access_loggers/open_telemetry/v3/logs_service.proto",
  "envoy/service/metrics/v3/metrics_service.proto",
  "envoy/service/trace/v3/trace_service.proto",
]);

/** Edits without which the set does not compile. */
const patches: Readonly<Record<string, { from: RegExp; to: string }>> = {
  "envoy/config/trace/v3/trace.proto": {
    from: /import (?:public )?"envoy\/config\/trace\/v3\/opencensus\.proto";/,
    to: "",
  },
  // Envoy's files use this rule, and the package's own validate.proto is older than it.
  "validate/validate.proto": {
    from: /message StringRules \{/,
    to: "$&\n  optional bool ignore_empty = 26;",
  },
};

/** What Envoy 1.40 knows and the package's files do not: see newer-fields.py. */
const newer: Readonly<Record<string, Additions | undefined>> = newerFields;

const template = {
  version: "v2",
  plugins: [
    {
      local: "protoc-gen-es",
      out: output,
      strategy: "all",
      opt: ["target=js+dts", "json_types=true", "import_extension=js"],
    },
  ],
};

const [option, shippedImage] = process.argv.slice(2);
if (option === "--shipped-image" && shippedImage !== undefined) {
  writeShippedImage(resolve(shippedImage));
} else {
  main();
}

/** What newer-fields.py compares with: the files as the package ships them. */
function writeShippedImage(path: string): void {
  rmSync(work, { recursive: true, force: true });
  copyProtos({});
  buf(["build", "protos", "-o", path, "--as-file-descriptor-set"]);
  rmSync(work, { recursive: true, force: true });
}

function main(): void {
  const stamp = inputsHash();
  const stampFile = join(output, ".stamp");
  if (readIfPresent(stampFile) === stamp) {
    return;
  }
  rmSync(work, { recursive: true, force: true });
  const count = copyProtos(newer);
  const image = join(work, "image.binpb");
  buf(["build", "protos", "-o", image, "--as-file-descriptor-set"]);
  rmSync(output, { recursive: true, force: true });
  buf(["generate", "protos", "--template", JSON.stringify(template)]);
  const files = fromBinary(FileDescriptorSetSchema, readFileSync(image)).file;
  writeRegistry(files);
  writeFileSync(stampFile, stamp);
  rmSync(work, { recursive: true, force: true });
  process.stdout.write(`src/gen: ${count} protobuf files\n`);
}

/** What the output depends on: these tools, their versions and nothing else. */
function inputsHash(): string {
  const hash = createHash("sha256");
  for (const path of globSync("tools/protos/**/*.{ts,json,proto}", { cwd: root }).sort()) {
    hash.update(readFileSync(join(root, path)));
  }
  for (const name of ["@bufbuild/buf", "@bufbuild/protoc-gen-es", "@grpc/grpc-js-xds"]) {
    hash.update(readFileSync(join(root, "node_modules", name, "package.json")));
  }
  return hash.digest("hex");
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Copies the wanted files and all they import, so that nothing has to be taken away again. */
function copyProtos(additions: typeof newer): number {
  const copied = new Set<string>();
  const pending: string[] = [];
  for (const { include, pattern } of wanted) {
    pending.push(...globSync(pattern, { cwd: include }));
  }
  pending.push(...Object.keys(additions));
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (copied.has(name) || unbuildable.has(name) || name.startsWith("google/protobuf/")) {
      continue;
    }
    copied.add(name);
    const text = patched(name, additions);
    const target = join(work, "protos", name);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    for (const [, imported] of text.matchAll(/^import (?:public |weak )?"([^"]+)";/gm)) {
      if (imported !== undefined) {
        pending.push(imported);
      }
    }
  }
  return copied.size;
}

function patched(name: string, additions: typeof newer): string {
  const added = additions[name];
  const found = includes
    .map((include) => readIfPresent(join(include, name)))
    .find((text) => text !== undefined);
  const source = found ?? (added?.package === undefined ? undefined : emptyFile(added.package));
  if (source === undefined) {
    throw new Error(`${name}: not in @grpc/grpc-js-xds/deps`);
  }
  const whole = added === undefined ? source : insertInto(source, added);
  const patch = patches[name];
  if (patch === undefined) {
    return whole;
  }
  if (!patch.from.test(whole)) {
    throw new Error(`${name}: the patch no longer applies`);
  }
  return whole.replace(patch.from, patch.to);
}

function buf(args: readonly string[]): void {
  const bin = join(root, "node_modules/.bin");
  // The plugin's `#!/usr/bin/env node` must find Node 26 and not the machine's.
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"]}` };
  const { status, error } = spawnSync(join(bin, "buf"), args, { cwd: work, env, stdio: "inherit" });
  if (status !== 0) {
    throw new Error(`buf ${args[0]} failed`, { cause: error });
  }
}

function writeRegistry(files: readonly FileDescriptorProto[]): void {
  const { code, types } = registrySources(files);
  writeFileSync(join(output, "registry.js"), code);
  writeFileSync(join(output, "registry.d.ts"), types);
}
