import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { dropClaim, takeClaim } from "./claim-file.ts";

/**
 * Ports for proxies and programs, below those that the kernel gives to outgoing connections (from 32768 on Linux, 49152 on macOS), where a
 * port that was free may be taken a moment later.
 */
const firstPort = 20_000;
const portCount = 12_000;

export class PortTaken extends Error {}

/**
 * Free local ports. The same key gets the same port again when it is free, so that addresses outlive a restart. A claim is a file with the
 * process id of its owner: two `heddle run` that start together do not both find the same port free.
 */
export class PortClaims {
  readonly #folder: string;
  readonly #owner: number;
  /** Files. */
  readonly #claims: string[] = [];

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
      if (await this.take(port)) return port;
    }
    throw new PortTaken(`none of the ports ${firstPort} to ${firstPort + portCount - 1} is free`);
  }

  /** This very port, if nobody has it. */
  async take(port: number): Promise<boolean> {
    const file = join(this.#folder, String(port));
    if (this.#claims.includes(file) || !takeClaim(file, this.#owner)) return false;
    if (!(await isFree(port))) {
      dropClaim(file);
      return false;
    }
    this.#claims.push(file);
    return true;
  }

  release(): void {
    for (const file of this.#claims.splice(0)) dropClaim(file);
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

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
