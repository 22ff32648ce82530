import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { dropClaim, takeClaim } from "./claim-file.ts";

export interface InstanceClaim {
  /** `1`, `2`, …: the lowest that no other process has. */
  readonly instance: string;
  release(): void;
}

const instancesMax = 1000;

/** A number for one more program of a group on this machine; a program that is started again gets the same one, and so the same ports. */
export function claimInstance(folder: string, group: string, owner: number): InstanceClaim {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (let number = 1; number <= instancesMax; number++) {
    const file = join(folder, `${group}.${number}`);
    if (takeClaim(file, owner)) return { instance: String(number), release: () => dropClaim(file) };
  }
  throw new Error(`more than ${instancesMax} programs of ${group} run already`);
}
