/**
 * Reads configuration: `loadBootstrap` for `-c` and `--config-yaml`, `decodeResource` for files that a configuration names.
 *
 * Descriptors, registry and YAML need 80 MB that a proxy has no use for afterwards. A thread's heap is given back to
 * the allocator and not to the system (measured: it all stays resident), so they live in a process of their own.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ConfigFileError } from "#config/config-file-error.ts";
import type { Input } from "#config/read.ts";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { Problem } from "#lib/config-error.ts";
import type { LoadAnswer, LoadRequest } from "./config/load-process.ts";

export interface LoadedBootstrap {
  /** Canonical ProtoJSON: checked, overlay merged, defaults left out. */
  readonly bootstrap: BootstrapJson;
  /** Gives the problems of a later compilation their file, line and column. */
  refused(problems: readonly Problem[]): Promise<ConfigFileError>;
}

export interface BootstrapInput {
  /** .yaml, .yml, .json or .pb. */
  readonly file?: string | undefined;
  /** `--config-yaml`, merged over the file. */
  readonly yamlOverlay?: string | undefined;
}

const bootstrapType = "envoy.config.bootstrap.v3.Bootstrap";

/** Throws a `ConfigFileError` with every problem. */
export async function loadBootstrap({
  file,
  yamlOverlay,
}: BootstrapInput): Promise<LoadedBootstrap> {
  const inputs: Input[] = [];
  if (file !== undefined) inputs.push({ file });
  if (yamlOverlay !== undefined) inputs.push({ name: "--config-yaml", text: yamlOverlay });
  // The reader checked it against the descriptor of this very type.
  const bootstrap = (await read(bootstrapType, inputs)) as BootstrapJson;
  return {
    bootstrap,
    async refused(problems) {
      const answer = await ask({ kind: "locate", typeName: bootstrapType, inputs, problems });
      return new ConfigFileError("problems" in answer ? answer.problems : []);
    },
  };
}

/** One message of a type, in YAML or JSON; `origin` is what problems call it. The result has that type's ProtoJSON. */
export async function decodeResource(
  typeName: string,
  text: string,
  origin: string,
): Promise<unknown> {
  return read(typeName, [{ name: origin, text }]);
}

async function read(typeName: string, inputs: readonly Input[]): Promise<unknown> {
  const answer = await ask({ kind: "read", typeName, inputs });
  if ("json" in answer) return JSON.parse(answer.json);
  if ("problems" in answer) throw new ConfigFileError(answer.problems);
  throw new Error(answer.bug);
}

// The build writes load-process.js beside configuration.js.
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const reader = { ts: "./config/load-process.ts", js: "./config/load-process.js" }[extension];

function ask(request: LoadRequest): Promise<LoadAnswer> {
  return new Promise((resolve, reject) => {
    const script = fileURLToPath(new URL(reader, import.meta.url));
    const child = spawn(process.execPath, [...readerOptions(), script], {
      stdio: ["pipe", "pipe", "inherit"],
      // biome-ignore lint/style/noProcessEnv: options for the proxy (profiles, traces) would spoil the answer, which is the reader's output
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    const pieces: Buffer[] = [];
    child.once("error", reject);
    // A reader that dies says so by its exit code; that its stdin broke adds nothing.
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify(request));
    child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
    child.once("close", (code, signal) => {
      if (code === 0) {
        // load-process.ts writes an answer, or does not end with 0.
        resolve(JSON.parse(Buffer.concat(pieces).toString("utf8")) as LoadAnswer);
      } else {
        reject(new Error(`the configuration reader ended with ${code ?? signal}`));
      }
    });
  });
}

/** What decides how modules are found must be the same in both; a test runner's or a profiler's options must not. */
function readerOptions(): readonly string[] {
  return process.execArgv.filter((option) => /^(?:--conditions|-C)\b/.test(option));
}
