import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Load } from "../scenarios.ts";
import type { Generator, TracedRequest } from "./trace.ts";

const protoFile = fileURLToPath(new URL("../native/echo.proto", import.meta.url));

export interface GhzOptions {
  readonly load: Extract<Load, { readonly kind: "ghz" }>;
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  readonly file: string;
}

export function ghz(program: string, options: GhzOptions): Generator {
  const { load, port, connections, durationMs, file } = options;
  const command = [
    program,
    "--insecure",
    `--proto=${protoFile}`,
    "--call=bench.Echo/Say",
    '--data={"text":"hello, world"}',
    `--connections=${connections}`,
    `--concurrency=${connections * load.streams}`,
    `--duration=${durationMs}ms`,
    "--duration-stop=wait",
    "--format=json",
    `--output=${file}`,
    `127.0.0.1:${port}`,
  ];
  return { command, readTrace: () => readGhzReport(readFileSync(file, "utf8")) };
}

/** `details` of ghz's JSON: a call's end as a date with nanoseconds, its latency in nanoseconds, its status. */
export function readGhzReport(text: string): readonly TracedRequest[] {
  const report: unknown = JSON.parse(text);
  if (typeof report !== "object" || report === null || !("details" in report))
    throw new Error("ghz's report has no details");
  const { details } = report;
  if (!Array.isArray(details)) throw new Error("ghz's details are not a list");
  return details.map(readCall);
}

function readCall(call: unknown): TracedRequest {
  if (
    typeof call !== "object" ||
    call === null ||
    !("timestamp" in call && "latency" in call && "status" in call) ||
    typeof call.timestamp !== "string" ||
    typeof call.latency !== "number"
  )
    throw new Error(`not a call of ghz's report: ${JSON.stringify(call)}`);
  const endUs = Date.parse(call.timestamp) * 1000;
  return { endUs, latencyUs: call.latency / 1000, ok: call.status === "OK" };
}
