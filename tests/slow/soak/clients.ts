/** Clients at a steady rate: kept and new connections, cancels, slow readers and writers, HTTP/2 streams. */
import { Agent, type ClientRequest, request } from "node:http";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import type { Random } from "#lib/random.ts";

export interface Ports {
  readonly http1: number;
  readonly http2: number;
  readonly tls: number;
  readonly tcp: number;
}

export interface LoadOptions {
  readonly ports: Ports;
  readonly random: Random;
  /** Requests in a second, of all kinds together. */
  readonly rate: number;
}

interface How {
  readonly kept?: boolean;
  readonly tls?: boolean;
  /** Through `tcp_proxy`. */
  readonly tcp?: boolean;
  readonly path?: string;
  readonly method?: string;
}

/** Requests under way: a proxy that answers none must not make the clients grow without end. */
const activeMax = 500;
const tickMs = 50;
const paths = ["/", "/retry", "/hedge", "/mirror", "/streams", "/secure", "/hashed", "/limited"];

interface Kind {
  readonly name: string;
  /** Parts of the rate, of the sum over all kinds. */
  readonly share: number;
  readonly launch: (name: string) => void;
}

export class Load {
  /** What became of the requests: "kind outcome", counted. */
  readonly outcomes: Map<string, number> = new Map<string, number>();
  launched = 0;
  active = 0;
  readonly #options: LoadOptions;
  readonly #kinds: readonly Kind[];
  #agents: { plain: Agent; secure: SecureAgent } | undefined;
  #sessions: ClientHttp2Session[] = [];
  #timer: NodeJS.Timeout | undefined;
  #owed = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#kinds = [
      { name: "kept", share: 30, launch: (name) => this.#get(name, { kept: true }) },
      { name: "new", share: 10, launch: (name) => this.#get(name, {}) },
      { name: "tls-kept", share: 8, launch: (name) => this.#get(name, { kept: true, tls: true }) },
      { name: "tls-new", share: 3, launch: (name) => this.#get(name, { tls: true }) },
      { name: "tcp", share: 4, launch: (name) => this.#get(name, { tcp: true }) },
      { name: "cancelled", share: 8, launch: (name) => this.#cancelled(name) },
      { name: "slow-reader", share: 2, launch: (name) => this.#slowReader(name) },
      { name: "post", share: 8, launch: (name) => this.#post(name) },
      { name: "broken-post", share: 2, launch: (name) => this.#brokenPost(name) },
      { name: "stream", share: 20, launch: (name) => this.#stream(name) },
      { name: "stream-post", share: 5, launch: (name) => this.#stream(name, { body: true }) },
      { name: "stream-cancelled", share: 6, launch: (name) => this.#stream(name, { cut: true }) },
    ];
  }

  start(): void {
    this.#agents = {
      plain: new Agent({ keepAlive: true, maxSockets: 8 }),
      secure: new SecureAgent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false }),
    };
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** No new requests; those under way go on. */
  pause(): void {
    clearInterval(this.#timer);
  }

  /** Closes what the clients kept. To be called when `active` is 0. */
  closeConnections(): void {
    this.#agents?.plain.destroy();
    this.#agents?.secure.destroy();
    for (const session of this.#sessions) session.destroy();
    this.#sessions = [];
  }

  #tick(): void {
    this.#owed = Math.min(this.#owed + (this.#options.rate * tickMs) / 1000, this.#options.rate);
    for (; this.#owed >= 1; this.#owed--) {
      if (this.active >= activeMax) continue;
      const { name, launch } = this.#pickKind();
      this.launched++;
      this.active++;
      launch(name);
    }
    // A client that goes away takes its streams along.
    if (this.#sessions.length > 0 && this.#options.random.below(1000) < tickMs / 20)
      this.#sessions.pop()?.destroy();
  }

  #pickKind(): Kind {
    let left = this.#options.random.below(
      this.#kinds.reduce((total, { share }) => total + share, 0),
    );
    const found = this.#kinds.find(({ share }) => {
      left -= share;
      return left < 0;
    });
    if (found === undefined) throw new Error("the shares have a sum");
    return found;
  }

  #finish(name: string, outcome: string): void {
    this.active--;
    const key = `${name} ${outcome}`;
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
  }

  #path(): string {
    const { random } = this.#options;
    return `${paths[random.below(paths.length)]}?${random.below(1000)}`;
  }

  /** A request whose end is counted once, however it ends. */
  #request(name: string, { kept = false, tls = false, tcp = false, ...extra }: How): ClientRequest {
    const { ports, random } = this.#options;
    const common = {
      host: "127.0.0.1",
      path: this.#path(),
      headers: {
        "accept-encoding": random.below(2) === 0 ? "gzip" : "identity",
        "x-key": this.#path(),
      },
      ...extra,
    };
    const agent = tls ? this.#agents?.secure : this.#agents?.plain;
    const chosen = kept && agent !== undefined ? { agent } : { agent: false as const };
    const outgoing = tls
      ? secureRequest({ ...common, ...chosen, port: ports.tls, rejectUnauthorized: false })
      : request({ ...common, ...chosen, port: tcp ? ports.tcp : ports.http1 });
    let outcome = "no answer";
    outgoing.on("response", (incoming) => {
      outcome = `${incoming.statusCode}`;
      incoming.on("error", () => {
        outcome = `${outcome} cut`;
      });
    });
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      if (outcome === "no answer") outcome = `no answer: ${error.code}`;
    });
    outgoing.on("close", () => this.#finish(name, outcome));
    return outgoing;
  }

  #get(name: string, how: How): void {
    const outgoing = this.#request(name, how);
    outgoing.on("response", (incoming) => incoming.resume()).end();
  }

  #cancelled(name: string): void {
    const outgoing = this.#request(name, {});
    outgoing.on("response", (incoming) => incoming.resume()).end();
    setTimeout(() => outgoing.destroy(), this.#options.random.below(150));
  }

  /** Reads in sips; every third one leaves before the end. */
  #slowReader(name: string): void {
    const { random } = this.#options;
    const leavesAfter = random.below(3) === 0 ? random.below(20) : Number.POSITIVE_INFINITY;
    const outgoing = this.#request(name, { path: random.below(2) === 0 ? "/big" : "/streams/big" });
    outgoing.on("response", (incoming) => {
      let sips = 0;
      incoming.on("data", () => {
        incoming.pause();
        sips++;
        setTimeout(() => (sips > leavesAfter ? outgoing.destroy() : incoming.resume()), 20);
      });
    });
    outgoing.end();
  }

  /** Some are longer than the buffer filter lets in. */
  #post(name: string): void {
    const { random } = this.#options;
    const outgoing = this.#request(name, {
      method: "POST",
      path: random.below(3) === 0 ? "/unbuffered" : this.#path(),
    });
    outgoing.on("response", (incoming) => incoming.resume());
    const size = random.below(10) === 0 ? 100_000 : random.below(8000);
    outgoing.write(Buffer.alloc(size, "a"));
    setTimeout(() => outgoing.end("end"), random.below(100));
  }

  /** Goes away in the middle of the body. */
  #brokenPost(name: string): void {
    const { random } = this.#options;
    const outgoing = this.#request(name, {
      method: "POST",
      path: random.below(2) === 0 ? "/unbuffered" : "/retry",
    });
    outgoing.on("response", (incoming) => incoming.resume());
    outgoing.write(Buffer.alloc(random.below(8000), "a"));
    setTimeout(() => outgoing.destroy(), random.below(100));
  }

  #stream(name: string, { body = false, cut = false } = {}): void {
    const { random } = this.#options;
    const path = random.below(15) === 0 ? "/streams/big" : this.#path();
    const headers = { ":path": path, ":method": body ? "POST" : "GET", "accept-encoding": "gzip" };
    const stream: ClientHttp2Stream = this.#session().request(headers, { endStream: !body });
    let outcome = "no answer";
    stream.on("response", ({ ":status": status }) => {
      outcome = `${status}`;
    });
    stream.on("error", () => {}).resume();
    stream.on("close", () =>
      this.#finish(name, stream.rstCode === 0 ? outcome : `${outcome} reset ${stream.rstCode}`),
    );
    if (body) {
      stream.write(Buffer.alloc(random.below(20_000), "a"));
      setTimeout(() => stream.end(), random.below(100));
    }
    if (cut) setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), random.below(150));
  }

  /** One of three connections, every third over TLS. */
  #session(): ClientHttp2Session {
    const { ports, random } = this.#options;
    this.#sessions = this.#sessions.filter(({ closed, destroyed }) => !closed && !destroyed);
    while (this.#sessions.length < 3) {
      const secure = random.below(3) === 0;
      const session = secure
        ? connect(`https://127.0.0.1:${ports.tls}`, { rejectUnauthorized: false })
        : connect(`http://127.0.0.1:${ports.http2}`);
      session.on("error", () => {});
      this.#sessions.push(session);
    }
    const chosen = this.#sessions[random.below(this.#sessions.length)];
    if (chosen === undefined) throw new Error("there are three");
    return chosen;
  }
}
