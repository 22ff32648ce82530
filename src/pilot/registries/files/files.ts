import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { readSource } from "#config/source-text.ts";
import type { EndpointSource, FoundEndpoint, SourceSink } from "../endpoint-source.ts";

const lookEveryMs = 1_000;

/**
 * `file:/etc/sd/api.json`: targets in a file as Prometheus' `file_sd` has it (YAML or JSON), which many programs can write:
 * `[{"targets": ["10.0.0.1:8080"], "labels": {"version": "v2"}}]`. A file with a mistake changes nothing.
 */
export const targetFile: EndpointSource = {
  scheme: "file",
  start(path, sink, { clock }) {
    let version = "";
    let timer: { cancel(): void } | undefined;
    const look = (): void => {
      const found = versionOf(path);
      if ("problem" in found) sink.problem(found.problem);
      else if (found.version !== version) {
        version = found.version;
        read(path, sink);
      }
      timer = clock.after(lookEveryMs, look);
    };
    look();
    return () => timer?.cancel();
  },
};

function versionOf(path: string): { readonly version: string } | { readonly problem: string } {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return { version: `${ino} ${size} ${mtimeMs}` };
  } catch (error) {
    return { problem: `cannot be read: ${error instanceof Error ? error.message : error}` };
  }
}

function read(path: string, sink: SourceSink): void {
  try {
    const { value, unreadable } = readSource(path, readFileSync(path, "utf8"));
    const [mistake] = unreadable;
    if (mistake !== undefined) {
      throw new Error(`${path}:${mistake.line}:${mistake.column}: ${mistake.message}`);
    }
    const endpoints = targetsOf(value ?? []);
    sink.problem(undefined);
    sink.found(endpoints);
  } catch (error) {
    sink.problem(error instanceof Error ? error.message : String(error));
  }
}

/** Throws, naming what is wrong. */
function targetsOf(groups: unknown): readonly FoundEndpoint[] {
  if (!Array.isArray(groups)) throw new Error("must be a list of groups with `targets`");
  return groups.flatMap((group: unknown, index) => {
    if (!isRecord(group) || !Array.isArray(group["targets"])) {
      throw new Error(`[${index}].targets: must be a list of texts such as "10.0.0.1:8080"`);
    }
    const labels = labelsOf(group["labels"], index);
    return group["targets"].map((target: unknown, place) => ({
      ...targetOf(target, `[${index}].targets[${place}]`),
      labels,
      weight: 0,
    }));
  });
}

function targetOf(target: unknown, where: string): { address: string; port?: number } {
  const match = typeof target === "string" ? /^\[?([^\]]+?)\]?(?::(\d{1,5}))?$/.exec(target) : null;
  const address = match?.[1] ?? "";
  const port = match?.[2] === undefined ? undefined : Number(match[2]);
  if (isIP(address) === 0 || (port !== undefined && (port < 1 || port > 65535))) {
    throw new Error(`${where}: must be an IP address, and a port: "10.0.0.1:8080"`);
  }
  return port === undefined ? { address } : { address, port };
}

/** Prometheus keeps labels that begin with `__` to itself. */
function labelsOf(labels: unknown, index: number): Readonly<Record<string, string>> {
  if (labels === undefined || labels === null) return {};
  if (!isRecord(labels)) throw new Error(`[${index}].labels: must be a map of texts`);
  return Object.fromEntries(
    Object.entries(labels)
      .filter(([name]) => !name.startsWith("__"))
      .map(([name, value]) => [name, String(value)]),
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
