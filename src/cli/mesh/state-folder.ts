import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { dropClaim, takeClaim } from "#agent/claim-file.ts";

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
    if (!takeClaim(lock, owner)) {
      const other = readFileSync(lock, "utf8");
      throw new FolderInUse(
        `${path} is in use: process ${other} runs a mesh in it. Stop it with Ctrl-C or kill ${other}, or choose another folder with --dir`,
      );
    }
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
    dropClaim(this.#lock);
  }
}
