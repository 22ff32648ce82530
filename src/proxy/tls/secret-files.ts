import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type {
  SdsSecretConfigJson,
  SecretJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { Clock } from "#lib/clock.ts";
import { refuse } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { type Watch, watchMoves as watchDirectory } from "#lib/watch-moves.ts";
import { decodeResource } from "../configuration.ts";
import type { Services } from "../services.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { ToWorker } from "../worker-protocol.ts";
import { reasonOf } from "./certificates.ts";
import { checkSecret } from "./check-secret.ts";
import { SdsStats } from "./sds-stats.ts";
import { secretConfigs, watchedDirectories } from "./secret-configs.ts";
import { secretKey } from "./secrets.ts";

const discoveryResponse = "envoy.service.discovery.v3.DiscoveryResponse";
const initialFetchTimeoutMs = 15_000;

interface SecretContext {
  readonly clock: Clock;
  readonly stats: StatsScope;
  readonly log: Services["log"];
  readonly broadcast: (message: ToWorker) => void;
  /** Reads a DiscoveryResponse; a test may bring its own. */
  readonly decode?: typeof decodeResource;
}

/**
 * The main thread's watch over secrets in files: those that SDS names, the files that these name, and the directories that
 * contexts watch. As in Envoy a change takes effect when a file is moved into place; a bad one is counted and the last good one stays.
 */
export class SecretFiles {
  readonly #sources: SecretFile[];
  /** By secretKey. */
  readonly #watched: Set<string>;
  readonly #directories: readonly string[];
  readonly #context: SecretContext;
  readonly #watchers: Watch[] = [];

  constructor(bootstrap: BootstrapJson, context: SecretContext) {
    this.#context = context;
    this.#watched = new Set(secretConfigs(bootstrap).map(secretKey));
    const byPath = new Map<string, SdsSecretConfigJson[]>();
    for (const config of secretConfigs(bootstrap)) {
      const path = pathOf(config);
      const known = byPath.get(path);
      if (known === undefined) byPath.set(path, [config]);
      else if (!known.some(({ name }) => name === config.name)) known.push(config);
    }
    this.#sources = [...byPath].map(([path, configs]) => new SecretFile(path, configs, context));
    this.#directories = watchedDirectories(bootstrap);
  }

  /** Resolves when each file was read once, well or not. */
  async start(): Promise<void> {
    for (const directory of this.#directories) {
      const onMove = (): void =>
        this.#context.broadcast({ kind: "reload-certificates", directory });
      this.#watchers.push(watchMoves(directory, undefined, onMove, this.#context.log));
    }
    await Promise.all(this.#sources.map((source) => source.start()));
  }

  /** A secret that configuration from a control plane names. Resolves when its file was read once, well or not. */
  async add(config: SdsSecretConfigJson): Promise<void> {
    const key = secretKey(config);
    if (this.#watched.has(key)) return;
    this.#watched.add(key);
    const source = new SecretFile(pathOf(config), [config], this.#context);
    this.#sources.push(source);
    await source.start();
  }

  stop(): void {
    for (const watcher of this.#watchers) watcher.close();
    for (const source of this.#sources) source.stop();
  }
}

function pathOf({ sdsConfig }: SdsSecretConfigJson): string {
  return sdsConfig?.pathConfigSource?.path ?? sdsConfig?.path ?? "";
}

/** One file of secrets. */
class SecretFile {
  readonly #path: string;
  readonly #configs: readonly SdsSecretConfigJson[];
  readonly #context: SecretContext;
  readonly #stats: ReadonlyMap<string, SdsStats>;
  readonly #watchers: Watch[] = [];
  /** For the files that the secrets name; new with each change of the secrets. */
  #fileWatchers: Watch[] = [];
  #secrets: readonly SecretJson[] = [];
  /** One read after the other, so that an older file never wins. */
  #reading: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(path: string, configs: readonly SdsSecretConfigJson[], context: SecretContext) {
    this.#path = path;
    this.#configs = configs;
    this.#context = context;
    this.#stats = new Map(
      configs.map(({ name = "" }) => [name, new SdsStats(context.stats, name)]),
    );
  }

  async start(): Promise<void> {
    const sources = this.#configs.map(({ sdsConfig }) => sdsConfig?.pathConfigSource);
    const watched = sources.find((source) => source?.watchedDirectory?.path !== undefined);
    const directory = watched?.watchedDirectory?.path;
    const name = directory === undefined ? basename(this.#path) : undefined;
    this.#watchers.push(
      watchMoves(directory ?? dirname(this.#path), name, () => this.#reread(), this.#context.log),
    );
    this.#reread();
    const timeoutMs = durationMs(
      this.#configs[0]?.sdsConfig?.initialFetchTimeout,
      initialFetchTimeoutMs,
    );
    await new Promise<void>((resolve) => {
      const timer = timeoutMs === 0 ? undefined : this.#context.clock.after(timeoutMs, resolve);
      void this.#reading.then(() => {
        timer?.cancel();
        resolve();
      });
    });
  }

  stop(): void {
    for (const watcher of [...this.#watchers, ...this.#fileWatchers]) watcher.close();
  }

  #reread(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#reading = this.#reading.then(() => {
      this.#waiting = false;
      return this.#read();
    });
  }

  async #read(): Promise<void> {
    const { decode = decodeResource } = this.#context;
    // Moved away: what comes in its place is a move of its own.
    if (!existsSync(this.#path)) return;
    for (const stats of this.#stats.values()) stats.attempt.inc();
    try {
      const text = await readFile(this.#path, "utf8");
      // Proof: decode checks the text against this message, whose only supported resources here are secrets.
      const response = (await decode(discoveryResponse, text, this.#path)) as {
        readonly resources?: readonly SecretJson[];
      };
      this.#secrets = response.resources ?? [];
      for (const config of this.#configs) this.#take(config);
      this.#watchFiles();
    } catch (error) {
      for (const stats of this.#stats.values()) stats.rejected.inc();
      this.#refused(reasonOf(error));
    }
  }

  #take(config: SdsSecretConfigJson): void {
    const { name = "" } = config;
    const stats = this.#stats.get(name);
    try {
      const secret = this.#secrets.find((one) => one.name === name);
      if (secret === undefined) throw refuse("", `there is no secret '${name}'`);
      checkSecret(secret);
      stats?.success.inc();
      this.#context.broadcast({ kind: "secret", key: secretKey(config), secret });
    } catch (error) {
      stats?.rejected.inc();
      this.#refused(reasonOf(error));
    }
  }

  /** A change of a certificate's files is a change of the secret. */
  #watchFiles(): void {
    for (const watcher of this.#fileWatchers) watcher.close();
    this.#fileWatchers = [];
    for (const config of this.#configs) {
      const secret = this.#secrets.find((one) => one.name === (config.name ?? ""));
      if (secret === undefined) continue;
      const { log } = this.#context;
      const onMove = (): void => this.#retake(config);
      const directory = (secret.tlsCertificate ?? secret.validationContext)?.watchedDirectory?.path;
      if (directory !== undefined)
        this.#fileWatchers.push(watchMoves(directory, undefined, onMove, log));
      else
        for (const file of filesOf(secret))
          this.#fileWatchers.push(watchMoves(dirname(file), basename(file), onMove, log));
    }
  }

  #retake(config: SdsSecretConfigJson): void {
    this.#stats.get(config.name ?? "")?.attempt.inc();
    this.#take(config);
  }

  #refused(reason: string): void {
    const what = `sds: ${this.#path} is refused, the last good secrets stay`;
    this.#context.log("warn", `${what}: ${reason}`);
  }
}

function filesOf(secret: SecretJson): readonly string[] {
  const { tlsCertificate, validationContext } = secret;
  const sources = [
    tlsCertificate?.certificateChain,
    tlsCertificate?.privateKey,
    validationContext?.trustedCa,
    validationContext?.crl,
    ...(secret.sessionTicketKeys?.keys ?? []),
  ];
  return sources.flatMap((source) => source?.filename ?? []);
}

function watchMoves(
  directory: string,
  name: string | undefined,
  onMove: () => void,
  log: Services["log"],
): Watch {
  const onBroken = (error: unknown): void =>
    log("warn", `sds: cannot watch ${directory}: ${reasonOf(error)}`);
  return watchDirectory(directory, name, { onMove, onBroken });
}
