import type { HealthCheck_PayloadJson as PayloadJson } from "#gen/envoy/config/core/v3/health_check_pb.js";
import { compileEach, refuse } from "#lib/config-error.ts";

const hexadecimal = /^(?:[0-9a-fA-F]{2})*$/;

/** Throws ConfigError. */
export function compilePayload({ text, binary }: PayloadJson): Buffer {
  if (binary !== undefined) return Buffer.from(binary, "base64");
  if (text === undefined || text === "") throw refuse("payload", "is required");
  if (!hexadecimal.test(text)) throw refuse("text", `invalid hex string '${text}'`);
  return Buffer.from(text, "hex");
}

export function compilePayloads(
  path: string,
  configs: readonly PayloadJson[] | undefined,
): readonly Buffer[] {
  return compileEach(path, configs, compilePayload);
}

/** Every block is there, in this order, with anything between them. */
export function containsPayloads(blocks: readonly Buffer[], bytes: Buffer): boolean {
  let from = 0;
  for (const block of blocks) {
    const at = bytes.indexOf(block, from);
    if (at === -1) return false;
    from = at + block.length;
  }
  return true;
}
