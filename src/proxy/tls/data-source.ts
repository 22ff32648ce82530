import { readFileSync } from "node:fs";
import type { DataSourceJson } from "#gen/envoy/config/core/v3/base_pb.js";
import { refuse } from "#lib/config-error.ts";

/** The bytes of a data source, and what messages and /certs call it. */
export interface SourceBytes {
  readonly bytes: Buffer;
  readonly origin: string;
}

/** Undefined when there is none. Throws ConfigError. */
export function readDataSource(config: DataSourceJson | undefined): SourceBytes | undefined {
  if (config === undefined) return undefined;
  const { filename, inlineString, inlineBytes, environmentVariable } = config;
  if (filename !== undefined) return { bytes: readFile(filename), origin: filename };
  if (inlineString !== undefined) return { bytes: Buffer.from(inlineString), origin: "<inline>" };
  if (inlineBytes !== undefined)
    return { bytes: Buffer.from(inlineBytes, "base64"), origin: "<inline>" };
  if (environmentVariable === undefined)
    throw refuse("", "filename, inline_bytes, inline_string or environment_variable is required");
  // biome-ignore lint/style/noProcessEnv: the configuration names the variable
  const value = process.env[environmentVariable];
  if (value === undefined)
    throw refuse(
      "environment_variable",
      `Environment variable doesn't exist: ${environmentVariable}`,
    );
  return { bytes: Buffer.from(value), origin: "<environment>" };
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw refuse("filename", `cannot read ${path}: ${reason}`);
  }
}
