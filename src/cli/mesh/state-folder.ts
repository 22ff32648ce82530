import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

export class FolderInUse extends Error {}

const logBytesMax = 5_000_000;

/** `.heddle/`: what a mesh keeps between runs, and what it writes while it runs. Git leaves it alone. */
export class StateFolder {
  readonly path: string;
  readonly #lock: string;
  readonly #logs: string;

  /** Throws FolderInUse while another process runs a mesh in it. */
  static open(path: string, owner: number): StateFolder {
    mkdirSync(path, { recursive: true });
    const ignore = join(path, ".gitignore");
    if (!existsSync(ignore)) writeFileSync(ignore, "*\n");
    const lock = join(path, "lock");
    const other = ownerOf(lock);
    if (other !== undefined && other !== owner)
      throw new FolderInUse(
        `${path} is in use: process ${other} runs a mesh in it. Stop it with Ctrl-C there or kill ${other}, or take another folder`,
      );
    writeFileSync(lock, String(owner));
    return new StateFolder(path, lock);
  }

  private constructor(path: string, lock: string) {
    this.path = path;
    this.#lock = lock;
    this.#logs = join(path, "logs");
    mkdirSync(this.#logs, { recursive: true });
  }

  folder(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Adds a line to a program's log; a log that is too long becomes NAME.1.log. */
  log(name: string, line: string): void {
    const file = join(this.#logs, `${name}.log`);
    appendFileSync(file, `${line}\n`);
    if (statSync(file).size > logBytesMax) renameSync(file, join(this.#logs, `${name}.1.log`));
  }

  release(): void {
    rmSync(this.#lock, { force: true });
  }
}

/** Where all of this user's meshes on this machine claim their ports. */
export function portFolder(): string {
  return join(tmpdir(), `heddle-ports-${userInfo().username.replace(/[^\w.-]/g, "_")}`);
}

function ownerOf(lock: string): number | undefined {
  try {
    const owner = Number(readFileSync(lock, "utf8"));
    process.kill(owner, 0);
    return owner;
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM" ? -1 : undefined;
  }
}
