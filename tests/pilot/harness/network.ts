/** Addresses of this run's own: `10.0.x.y` of the configurations is `127.N.x.y` here, so that runs beside each other do not meet. */
import { once } from "node:events";
import { createServer, type Server } from "node:net";

export class Network {
  readonly #guard: Server;
  readonly #octet: number;

  private constructor(guard: Server, octet: number) {
    this.#guard = guard;
    this.#octet = octet;
  }

  /** Linux answers for all of 127/8. A listener keeps others from the same numbers. */
  static async claim(): Promise<Network> {
    for (let octet = 1 + (process.pid % 250); ; octet = 1 + (octet % 250)) {
      const guard = createServer();
      guard.listen(47_000, `127.${octet}.255.254`);
      const free = await Promise.race([
        once(guard, "listening").then(() => true),
        once(guard, "error").then(() => false),
      ]);
      if (free) return new Network(guard, octet);
    }
  }

  release(): Promise<void> {
    return new Promise((done) => this.#guard.close(() => done()));
  }

  /** `200.1` → `127.N.200.1` */
  address(host: string): string {
    return `127.${this.#octet}.${host}`;
  }

  /** A text of the configurations with this run's addresses. */
  localize(text: string): string {
    return text.replaceAll(/\b10\.0\.(?=\d+\.\d+\b)/g, `127.${this.#octet}.`);
  }
}
