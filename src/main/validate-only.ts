/** `--mode validate`: Envoy's line on success, every problem otherwise. */
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { ConfigError } from "#lib/config-error.ts";
import { ConfigFileError } from "#proxy/config-file-error.ts";
import { type BootstrapInput, loadBootstrap } from "#proxy/configuration.ts";

export interface Validation {
  /** 0 or 1 (docs/reference/exit-codes.md). */
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `compile` is what the modules make of the configuration; it throws a ConfigError where they refuse it. */
export async function validateOnly(
  input: BootstrapInput,
  compile: (bootstrap: BootstrapJson) => void,
): Promise<Validation> {
  try {
    const loaded = await loadBootstrap(input);
    try {
      compile(loaded.bootstrap);
    } catch (error) {
      if (error instanceof ConfigError) throw await loaded.refused(error.problems);
      throw error;
    }
    return { exit: 0, stdout: `configuration '${input.file ?? ""}' OK\n`, stderr: "" };
  } catch (error) {
    if (error instanceof ConfigFileError) {
      return { exit: 1, stdout: "", stderr: `${error.message}\n` };
    }
    throw error;
  }
}
