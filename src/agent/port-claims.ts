import { closeSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/**
 * Ports for proxies and programs, below those that the kernel gives to outgoing connections (from 32768 on Linux, 49152 on macOS), where a
 * port that was free may be taken a moment later.
 */
const firstPort = 20_000;
const portCount = 12_000;

export class PortTaken extends Error {}

interface Claim {
  readonly port: number;
  readonly file: string;
}

/**
 * Free local ports. The same key gets the same port again when it is free, so that addresses outlive a restart. A claim is a file with the
 * process id of its owner: two `heddle run` that start together do not both find the same port free.
 */
export class PortClaims {
  readonly #folder: string;
  readonly #owner: number;
  readonly #claims: Claim[] = [];

  /** `folder` is one for all of this machine's user; `owner` is this process. */
  constructor(folder: string, owner: number) {
    this.#folder = folder;
    this.#owner = owner;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** A port of 127.0.0.1 that nobody uses; it is ours until `release`. */
  async claim(key: string): Promise<number> {
    const start = hash(key) % portCount;
    for (let i = 0; i < portCount; i++) {
      const port = firstPort + ((start + i) % portCount);
      const claim = this.#take(port);
      if (claim === undefined) continue;
      if (await isFree(port)) {
        this.#claims.push(claim);
        return port;
      }
      unlinkIfPresent(claim.file);
    }
    throw new PortTaken(`none of the ports ${firstPort} to ${firstPort + portCount - 1} is free`);
  }

  release(): void {
    for (const { file } of this.#claims.splice(0)) unlinkIfPresent(file);
  }

  #take(port: number): Claim | undefined {
    const file = join(this.#folder, String(port));
    try {
      writeNew(file, String(this.#owner));
      return { port, file };
    } catch {
      if (ownerLives(file)) return undefined;
    }
    // Its owner was killed before it could release it.
    unlinkIfPresent(file);
    try {
      writeNew(file, String(this.#owner));
      return { port, file };
    } catch {
      return undefined;
    }
  }
}

/** Whether a listener could open this port of 127.0.0.1 now. */
export function isFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function writeNew(file: string, text: string): void {
  const descriptor = openSync(file, "wx", 0o600);
  try {
    writeSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

function ownerLives(file: string): boolean {
  try {
    const owner = Number(readFileSync(file, "utf8"));
    // Empty: its owner is about to write its id.
    if (owner === 0) return true;
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function unlinkIfPresent(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Another process saw that its owner was gone, too.
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
