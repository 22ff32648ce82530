/** Redis, MariaDB and PostgreSQL from Debian packages, unpacked into a folder of the run: nothing is installed, all is on loopback. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, globSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { type DebianFiles, fetchDebian, unpackDebian } from "../../testkit/debian.ts";
import type { Issued } from "../../testkit/pki.ts";

export type Database = "redis" | "mariadb" | "postgresql";

const packages: Readonly<Record<Database, DebianFiles>> = {
  redis: { name: "redis", packages: ["redis-server", "redis-tools"] },
  mariadb: { name: "mariadb", packages: ["mariadb-server-core", "mariadb-client-core"] },
  postgresql: {
    name: "postgresql",
    packages: ["^postgresql-[0-9]+$", "^postgresql-client-[0-9]+$"],
  },
};

export type Archives = { readonly files: readonly string[] } | { readonly missing: string };

/** What cannot be fetched has a reason to skip its tests. */
export function fetchDatabase(database: Database): Archives {
  try {
    return { files: fetchDebian(packages[database]) };
  } catch (error) {
    return { missing: `${database}: its Debian packages cannot be fetched: ${String(error)}` };
  }
}

/** Debian's nobody: MariaDB and PostgreSQL refuse to run as root. */
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;
const patienceMs = 60_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running program and all that it wrote. */
export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  stdout = "";
  stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    // A client that ended early leaves a broken pipe; its outcome says so.
    child.stdin?.on("error", () => {});
    this.ended = once(child, "close").then(([code]) => ({
      code,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  write(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Waits until it has written `text`, on either stream. */
  async says(text: string): Promise<void> {
    const giveUp = AbortSignal.timeout(patienceMs);
    while (!(this.stdout + this.stderr).includes(text)) {
      const settled = new AbortController();
      const signal = AbortSignal.any([settled.signal, giveUp]);
      const { stdout, stderr } = this.child;
      const events = [stdout, stderr].flatMap((s) => (s ? [once(s, "data", { signal })] : []));
      const over = this.ended.then(() => "ended");
      const outcome = await Promise.race([...events, over]).catch(() => "late");
      settled.abort();
      await Promise.allSettled(events);
      if (typeof outcome === "string" && !(this.stdout + this.stderr).includes(text))
        throw new Error(`${outcome} without ${text}:\n${this.stdout}\n${this.stderr}`);
    }
  }

  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.child.kill(signal);
    await this.ended;
  }
}

/** The unpacked packages of all databases of a run. */
export class Databases {
  readonly folder: string;
  readonly root: string;
  readonly #running: { program: Program; signal: NodeJS.Signals }[] = [];

  constructor(folder: string, archives: readonly string[]) {
    this.folder = folder;
    this.root = join(folder, "root");
    chmodSync(folder, 0o755);
    mkdirSync(this.root);
    unpackDebian(archives, this.root);
  }

  /** Starts a program of the packages, as another user than root where `unprivileged`. */
  start(name: string, argv: readonly string[], unprivileged = false): Program {
    const [path] = globSync([`usr/{bin,sbin}/${name}`, `usr/lib/postgresql/*/bin/${name}`], {
      cwd: this.root,
    });
    if (path === undefined) throw new Error(`the packages have no ${name}`);
    const libraries = globSync("usr/lib/*-linux-gnu", { cwd: this.root });
    const paths = libraries.map((folder) => join(this.root, folder)).join(":");
    return new Program(
      spawn(join(this.root, path), argv, {
        cwd: this.folder,
        // biome-ignore lint/style/noProcessEnv: programs of the machine need its PATH.
        env: { PATH: process.env["PATH"], LC_ALL: "C", LD_LIBRARY_PATH: paths, HOME: this.folder },
        ...(unprivileged && isRoot ? { uid: nobody, gid: nobody } : {}),
      }),
    );
  }

  /** Runs a program to its end. */
  async run(name: string, argv: readonly string[], unprivileged = false): Promise<Outcome> {
    const program = this.start(name, argv, unprivileged);
    program.child.stdin?.end();
    return program.ended;
  }

  async redis(name: string, { certificate, key }: Issued): Promise<RedisPorts> {
    const data = this.#ownFolder(name);
    const files = this.#writeTls(data, certificate, key);
    const [port, tlsPort] = [await freePort(), await freePort()];
    const settings = [
      ["--bind", "127.0.0.1", "--port", `${port}`, "--tls-port", `${tlsPort}`],
      ["--tls-cert-file", files.certificate, "--tls-key-file", files.key, "--tls-auth-clients no"],
      ["--save", "", "--dir", data],
    ];
    await this.#serve("redis-server", settings.flat(), "Ready to accept connections");
    return { port, tlsPort };
  }

  async mariadb({ certificate, key }: Issued): Promise<number> {
    const data = this.#ownFolder("mariadb");
    const files = this.#writeTls(data, certificate, key);
    const base = join(this.root, "usr");
    const common = ["--no-defaults", `--basedir=${base}`, `--datadir=${data}/data`];
    const accounts = ["--auth-root-authentication-method=normal", "--skip-test-db"];
    await this.#succeeds("mariadb-install-db", [...common, ...accounts]);
    const port = await freePort();
    const sockets = ["--bind-address=127.0.0.1", `--port=${port}`, `--socket=${data}/socket`];
    const tls = [`--ssl-cert=${files.certificate}`, `--ssl-key=${files.key}`];
    const place = [`--lc-messages-dir=${base}/share/mysql`, `--pid-file=${data}/pid`];
    const argv = [...common, ...sockets, ...tls, ...place];
    await this.#serve("mariadbd", argv, "ready for connections");
    return port;
  }

  async postgresql({ certificate, key }: Issued): Promise<number> {
    const data = this.#ownFolder("postgresql");
    const files = this.#writeTls(data, certificate, key);
    const make = ["-D", `${data}/data`, "-U", "postgres", "--auth=trust", "--no-sync"];
    await this.#succeeds("initdb", [...make, "--locale=C", "-E", "UTF8"]);
    const port = await freePort();
    const settings = {
      listen_addresses: "127.0.0.1",
      unix_socket_directories: data,
      ssl: "on",
      ssl_cert_file: files.certificate,
      ssl_key_file: files.key,
      fsync: "off",
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const argv = ["-D", `${data}/data`, "-p", `${port}`, ...options];
    // PostgreSQL's immediate shutdown, which also takes its shared memory away.
    await this.#serve("postgres", argv, "ready to accept connections", "SIGQUIT");
    return port;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.map(({ program, signal }) => program.stop(signal)));
  }

  async #serve(
    name: string,
    argv: readonly string[],
    ready: string,
    signal: NodeJS.Signals = "SIGKILL",
  ): Promise<void> {
    const program = this.start(name, argv, true);
    this.#running.push({ program, signal });
    await program.says(ready);
  }

  async #succeeds(name: string, argv: readonly string[]): Promise<void> {
    const { code, stdout, stderr } = await this.run(name, argv, true);
    if (code !== 0) throw new Error(`${name} ended with ${code}:\n${stdout}\n${stderr}`);
  }

  #ownFolder(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder, { mode: 0o700 });
    if (isRoot) chownSync(folder, nobody, nobody);
    return folder;
  }

  /** PostgreSQL takes a key only from a file that nobody else can read. */
  #writeTls(
    folder: string,
    certificate: string,
    key: string,
  ): { certificate: string; key: string } {
    const files = { certificate: join(folder, "certificate.pem"), key: join(folder, "key.pem") };
    writeFileSync(files.certificate, certificate);
    writeFileSync(files.key, key, { mode: 0o600 });
    if (isRoot) for (const file of Object.values(files)) chownSync(file, nobody, nobody);
    return files;
  }
}

export interface RedisPorts {
  readonly port: number;
  readonly tlsPort: number;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  // Proof: it listens on TCP.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
