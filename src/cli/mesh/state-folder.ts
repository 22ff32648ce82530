import { execFileSync } from "node:child_process";
import {
  accessSync,
  appendFileSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { platform } from "node:os";
import { join } from "node:path";
import { dropClaim, takeClaim } from "#agent/claim-file.ts";

export class FolderInUse extends Error {}

/** There is no writing to it. */
export class FolderNotWritable extends Error {}

const logBytesMax = 5_000_000;
const markName = "HEDDLE_MESH";

/** `.heddle/`: what a mesh keeps between runs, and what it writes while it runs. Git leaves it alone. */
export class StateFolder {
  readonly path: string;
  readonly #lock: string;
  readonly #logs: string;
  readonly #processes: string;

  /** Throws FolderInUse while another process runs a mesh in it. */
  static open(path: string, owner: number): StateFolder {
    makeFolder(path);
    const lock = join(path, "lock");
    if (!takeClaim(lock, owner)) {
      const other = readFileSync(lock, "utf8");
      throw new FolderInUse(
        `${path} is in use: process ${other} runs a mesh in it. Stop it with Ctrl-C or kill ${other}, or choose another folder with --dir`,
      );
    }
    const state = new StateFolder(path, lock);
    state.#endLeftovers();
    return state;
  }

  private constructor(path: string, lock: string) {
    this.path = path;
    this.#lock = lock;
    this.#logs = join(path, "logs");
    this.#processes = join(path, "processes");
    mkdirSync(this.#logs, { recursive: true });
  }

  /** In the environment of every process that belongs to the mesh here. */
  get mark(): Readonly<Record<string, string>> {
    return { [markName]: this.path };
  }

  /** A process of the mesh, in case that we are killed and cannot end it. */
  remember(pid: number): void {
    appendFileSync(this.#processes, `${pid}\n`);
  }

  /** Processes of a mesh here that was killed: they hold ports, and nobody will end them otherwise. */
  #endLeftovers(): void {
    for (const line of readIfPresent(this.#processes).split("\n")) {
      const pid = Number(line);
      if (pid > 0 && environmentOf(pid).includes(`${markName}=${this.path}`)) endGroup(pid);
    }
    rmSync(this.#processes, { force: true });
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
    rmSync(this.#processes, { force: true });
    dropClaim(this.#lock);
  }
}

function readIfPresent(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Empty: it is gone, or somebody else's. A process of the same number that is not of this mesh has another one. */
function environmentOf(pid: number): readonly string[] {
  try {
    if (platform() === "linux") return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return execFileSync("ps", ["eww", "-o", "command=", "-p", String(pid)])
      .toString()
      .split(/\s/);
  } catch {
    return [];
  }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
    const ignore = join(path, ".gitignore");
    if (!existsSync(ignore)) writeFileSync(ignore, "*\n");
    accessSync(path, constants.W_OK);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FolderNotWritable(
      `${path}, where state is to be kept, cannot be written (${why}): choose another folder with --dir`,
      { cause },
    );
  }
}
