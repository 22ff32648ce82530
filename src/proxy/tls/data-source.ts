import { existsSync, readFileSync } from "node:fs";
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

/** Where distributions keep the authorities that their users trust. */
const systemFiles: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
  "/usr/local/etc/ssl/cert.pem",
];

/** The system's trusted authorities. Throws ConfigError when it has none. */
export function systemAuthorities(): SourceBytes {
  const found = systemFiles.find((path) => existsSync(path));
  if (found === undefined) {
    throw refuse("", `this system has none of ${systemFiles.join(", ")}: name a trusted_ca`);
  }
  return { bytes: readFile(found), origin: found };
}
