import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";

/** Where a proxy of this bootstrap keeps what Pilot sent last. */
export function savedFolder(bootstrapFile: string): string {
  return bootstrapFile.replace(/(?:\.json)?$/, "-saved");
}

/** Writes it for a proxy that is new here: what an earlier one of its name was sent may be for other ports. */
export function writeBootstrap(folder: string, name: string, bootstrap: BootstrapJson): string {
  const file = join(folder, `${name}.json`);
  mkdirSync(folder, { recursive: true });
  rmSync(savedFolder(file), { recursive: true, force: true });
  writeFileSync(file, `${JSON.stringify(bootstrap, null, 2)}\n`);
  return file;
}
