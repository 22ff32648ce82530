import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";

/**
 * A file that says which process has something that only one can have. Taken when this returns true. A process that was killed before it could
 * give it back has it no longer, and neither has one of our own number: in a container numbers begin anew. Who takes things twice in one
 * process keeps count itself.
 */
export function takeClaim(file: string, owner: number): boolean {
  if (writeNew(file, owner)) return true;
  if (otherHas(file, owner)) return false;
  dropClaim(file);
  return writeNew(file, owner);
}

export function dropClaim(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Another process saw that its owner was gone, too.
  }
}

function writeNew(file: string, owner: number): boolean {
  try {
    const descriptor = openSync(file, "wx", 0o600);
    writeSync(descriptor, String(owner));
    closeSync(descriptor);
    return true;
  } catch {
    return false;
  }
}

function otherHas(file: string, self: number): boolean {
  try {
    const owner = Number(readFileSync(file, "utf8"));
    if (owner === self) return false;
    // Empty: its owner is about to write its id.
    if (owner === 0) return true;
    process.kill(owner, 0);
    return !isZombie(owner);
  } catch (error) {
    // It lives, and is somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** It has ended, and nobody has asked how: in a container without an init it stays so. */
function isZombie(pid: number): boolean {
  try {
    // proc(5): the name stands in parentheses and may hold anything, so what follows the last one counts.
    return /.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
