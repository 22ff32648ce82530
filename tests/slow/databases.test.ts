/**
 * Real Redis, MariaDB and PostgreSQL behind `tcp_proxy`, with their own clients: in clear text, with TLS that ends at the proxy, with TLS
 * that is passed through by server name, server-first behind inspectors, idle and drained. What Envoy can be asked, it is asked beside.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { RawClient } from "../../testkit/raw-client.ts";
import { extension, type JsonObject } from "../parity/harness/config.ts";
import { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { selectedSides } from "../parity/harness/sides.ts";
import { authority, certificates, downstreamTls } from "../parity/harness/tls.ts";
import {
  cluster,
  connect,
  eventually,
  loopback,
  refuses,
  start,
  stat,
  statBecomes,
} from "../proxy/support.ts";
import { type Database, Databases, fetchDatabase, type Program } from "./database-servers.ts";

const archives = {
  redis: fetchDatabase("redis"),
  mariadb: fetchDatabase("mariadb"),
  postgresql: fetchDatabase("postgresql"),
};
/** What a suite of these databases says when it cannot run. */
const without = (...names: readonly Database[]): string | false =>
  names.flatMap((name) => ("missing" in archives[name] ? [archives[name].missing] : []))[0] ??
  false;

/** For clients that check the name 127.0.0.1. */
const numbered = await authority.issue({ subject: "CN=loopback", ip: ["127.0.0.1"] });

const folder = mkdtempSync(join(tmpdir(), "heddle-databases-"));
const authorityFile = join(folder, "authority.pem");
let databases: Databases;
/** Where each server listens: the clusters. */
const ports = { red: 0, redTls: 0, blue: 0, blueTls: 0, mariadb: 0, postgresql: 0 };

before(async () => {
  const files = Object.values(archives).flatMap((one) => ("files" in one ? one.files : []));
  databases = new Databases(folder, files);
  writeFileSync(authorityFile, authority.certificate);
  const redis = async (): Promise<void> => {
    const red = await databases.redis("red", certificates.a);
    const blue = await databases.redis("blue", certificates.b);
    Object.assign(ports, { red: red.port, redTls: red.tlsPort });
    Object.assign(ports, { blue: blue.port, blueTls: blue.tlsPort });
  };
  await Promise.all([
    without("redis") === false ? redis() : undefined,
    without("mariadb") === false
      ? databases.mariadb(numbered).then((port) => Object.assign(ports, { mariadb: port }))
      : undefined,
    without("postgresql") === false
      ? databases.postgresql(numbered).then((port) => Object.assign(ports, { postgresql: port }))
      : undefined,
  ]);
});

after(async () => {
  await databases.stop();
  rmSync(folder, { recursive: true, force: true });
});

const inspector = (name: string, type: string): JsonObject =>
  extension(
    `envoy.filters.listener.${name}`,
    `envoy.extensions.filters.listener.${name}.v3.${type}`,
  );
const tlsInspector = inspector("tls_inspector", "TlsInspector");
const httpInspector = inspector("http_inspector", "HttpInspector");

const to = (name: keyof typeof ports, statPrefix: string, more: JsonObject = {}): JsonObject =>
  extension(
    "envoy.filters.network.tcp_proxy",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    { stat_prefix: statPrefix, cluster: name, ...more },
  );

const listener = (
  name: string,
  chains: readonly JsonObject[],
  more: JsonObject = {},
): JsonObject => ({ name, stat_prefix: name, address: loopback, filter_chains: chains, ...more });

const plain = (name: "red" | "mariadb" | "postgresql"): JsonObject =>
  listener(name, [{ filters: [to(name, name)] }]);

/** The server speaks first: neither inspector ever sees a byte that decides. */
const inspected = (name: string, continues: boolean): JsonObject =>
  listener(name, [{ filters: [to("mariadb", name)] }], {
    listener_filters: [tlsInspector, httpInspector],
    listener_filters_timeout: "0.3s",
    continue_on_listener_filters_timeout: continues,
  });

const byName = (server: string, name: keyof typeof ports): JsonObject => ({
  filter_chain_match: { server_names: [server] },
  filters: [to(name, `sni_${name}`)],
});

const config = (): JsonObject => ({
  admin: { address: loopback },
  static_resources: {
    listeners: [
      plain("red"),
      plain("mariadb"),
      plain("postgresql"),
      listener("terminated", [
        { filters: [to("red", "terminated")], transport_socket: downstreamTls() },
      ]),
      listener(
        "sni",
        [
          byName("a.test", "redTls"),
          byName("b.test", "blueTls"),
          // TLS ends here for this one name, and goes on in clear text.
          {
            filter_chain_match: { server_names: ["c.w.test"] },
            filters: [to("blue", "sni_blue")],
            transport_socket: downstreamTls({ certificates: [certificates.b] }),
          },
        ],
        { listener_filters: [tlsInspector] },
      ),
      inspected("inspected", true),
      inspected("impatient", false),
      listener("idle", [{ filters: [to("postgresql", "idle", { idle_timeout: "2s" })] }]),
    ],
    clusters: Object.entries(ports).map(([name, port]) => cluster(name, port === 0 ? 1 : port)),
  },
});

// === Clients ===

const portOf = (proxy: ProxyProcess, name: string): number => {
  const address = proxy.listener(name);
  if (!("port" in address)) throw new Error(`${name} has no port`);
  return address.port;
};

async function redisOver(
  t: TestContext,
  proxy: ProxyProcess,
  name: string,
  servername: string,
): Promise<RawClient> {
  const port = portOf(proxy, name);
  const socket = connectTls({ host: "127.0.0.1", port, ca: authority.certificate, servername });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return new RawClient(socket);
}

const mariadbArguments = (port: number, ...more: readonly string[]): readonly string[] => [
  ...["--no-defaults", "--host=127.0.0.1", `--port=${port}`, "--user=root", "--batch"],
  ...[
    "--skip-column-names",
    "--unbuffered",
    `--character-sets-dir=${databases.root}/usr/share/mysql/charsets`,
  ],
  ...more,
];

const psqlArguments = (port: number, options = "sslmode=disable"): readonly string[] => [
  ...["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
  `host=127.0.0.1 port=${port} user=postgres dbname=postgres ${options}`,
];

/** Runs a client to its end, expects it to succeed and returns what it wrote. */
async function answers(name: string, argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await databases.run(name, argv);
  assert.equal(code, 0, `${name} ended with ${code}:\n${stdout}\n${stderr}`);
  return stdout.trim();
}

const query = (port: number, sql: string, options?: string): Promise<string> =>
  answers("psql", [...psqlArguments(port, options), "-c", sql]);

const mariadbQuery = (port: number, sql: string, ...more: readonly string[]): Promise<string> =>
  answers("mariadb", mariadbArguments(port, ...more, `--execute=${sql}`));

/** A client that reads statements from its input until that ends. */
function session(t: TestContext, name: string, argv: readonly string[]): Program {
  const program = databases.start(name, argv);
  t.after(() => program.stop());
  return program;
}

// === Tests ===

for (const side of selectedSides()) {
  describe(`databases behind ${side.name}`, () => {
    let proxy: ProxyProcess;
    before(async () => {
      const place = mkdtempSync(join(folder, side.name));
      proxy = await ProxyProcess.start({ side, bootstrap: config(), folder: place });
    });
    after(() => proxy.stop());

    describe("Redis", { skip: without("redis") }, () => {
      const benchmark = [
        "-h",
        "127.0.0.1",
        "-n",
        "20000",
        "-c",
        "20",
        "-P",
        "16",
        "-t",
        "incr",
        "-q",
      ];
      const counter = "counter:__rand_int__";

      it("in clear text: every one of 20,000 pipelined increments arrives", async () => {
        const port = `${portOf(proxy, "red")}`;
        assert.equal(await answers("redis-cli", ["-p", port, "set", counter, "0"]), "OK");
        await answers("redis-benchmark", [...benchmark, "-p", port]);
        assert.equal(await answers("redis-cli", ["-p", port, "get", counter]), "20000");
      });

      it("TLS ends at the proxy: the same over TLS, and the server is spoken to in clear text", async () => {
        const tls = ["--tls", "--cacert", authorityFile, "--sni", "a.test"];
        const port = ["-p", `${portOf(proxy, "terminated")}`];
        assert.equal(await answers("redis-cli", [...port, ...tls, "set", counter, "0"]), "OK");
        await answers("redis-benchmark", [...benchmark, ...port, ...tls]);
        const direct = ["-p", `${ports.red}`, "get", counter];
        assert.equal(await answers("redis-cli", direct), "20000");
        assert.ok(((await stat(proxy, "listener.terminated.ssl.handshake")) ?? 0) > 0);
      });

      it("TLS is passed through by server name; another name's ends at the proxy; a third has no chain", async (t) => {
        for (const [name, port] of [
          ["red", ports.red],
          ["blue", ports.blue],
        ] as const)
          await answers("redis-cli", ["-p", `${port}`, "set", "name", name]);
        const passed = { "a.test": "red", "b.test": "blue", "c.w.test": "blue" };
        for (const [server, name] of Object.entries(passed)) {
          const client = await redisOver(t, proxy, "sni", server);
          await client.write("GET name\r\n");
          assert.equal(await client.readThrough(`${name}\r\n`), `$${name.length}\r\n${name}\r\n`);
        }
        await assert.rejects(redisOver(t, proxy, "sni", "d.test"));
        // Only the chain that ends TLS has shaken hands.
        await statBecomes(proxy, "listener.sni.ssl.handshake", 1);
        await statBecomes(proxy, "listener.sni.no_filter_chain_match", 1);
      });

      it("a value of 2 MB there and back over TLS that is passed through", async (t) => {
        const value = "0123456789abcdef".repeat(125_000);
        const client = await redisOver(t, proxy, "sni", "a.test");
        await client.write(
          `*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$2000000\r\n${value}\r\nGET large\r\n`,
        );
        await client.readThrough("+OK\r\n$2000000\r\n");
        // Not `equal`, which would print both.
        assert.ok((await client.readThrough("\r\n")) === `${value}\r\n`, "another value came back");
      });
    });

    describe("MariaDB", { skip: without("mariadb") }, () => {
      it("in clear text: 10 MB of rows, and an 8 MB value the other way", async () => {
        const port = portOf(proxy, "mariadb");
        const sql = "SELECT seq, REPEAT('x', 100) FROM mysql.seq_1_to_100000";
        const rows = (await mariadbQuery(port, sql, "--skip-ssl")).split("\n");
        assert.equal(rows.length, 100_000);
        assert.equal(rows.at(-1), `100000\t${"x".repeat(100)}`);
        const client = databases.start("mariadb", mariadbArguments(port, "--skip-ssl"));
        client.child.stdin?.end(`SELECT LENGTH('${"y".repeat(8_000_000)}');\n`);
        assert.deepEqual(await client.ended, { code: 0, stdout: "8000000\n", stderr: "" });
      });

      it("TLS that begins inside the protocol is passed through", async () => {
        const options = ["--ssl", `--ssl-ca=${authorityFile}`, "--ssl-verify-server-cert"];
        const sql = "SHOW STATUS LIKE 'Ssl_version'";
        const port = portOf(proxy, "mariadb");
        assert.match(await mariadbQuery(port, sql, ...options), /^Ssl_version\tTLSv1\.[23]$/);
      });

      it("speaks first: inspectors wait in vain, and after their timeout the connection goes on", async () => {
        assert.equal(await mariadbQuery(portOf(proxy, "inspected"), "SELECT 1 + 1"), "2");
        await statBecomes(proxy, "listener.inspected.downstream_pre_cx_timeout", 1);
        await statBecomes(proxy, "tcp.inspected.downstream_cx_total", 1);
      });

      it("and without continue_on_listener_filters_timeout it ends there", async () => {
        const argv = mariadbArguments(portOf(proxy, "impatient"), "--execute=SELECT 1");
        const { code, stderr } = await databases.run("mariadb", argv);
        assert.equal(code, 1);
        assert.match(stderr, /Lost connection to server/);
        await statBecomes(proxy, "listener.impatient.downstream_pre_cx_timeout", 1);
        assert.equal((await stat(proxy, "tcp.impatient.downstream_cx_total")) ?? 0, 0);
      });
    });

    describe("PostgreSQL", { skip: without("postgresql") }, () => {
      it("in clear text: pgbench makes its tables and runs 400 transactions on 8 connections", async () => {
        const address = [
          "-h",
          "127.0.0.1",
          "-p",
          `${portOf(proxy, "postgresql")}`,
          "-U",
          "postgres",
        ];
        await answers("pgbench", [...address, "-i", "-q", "postgres"]);
        const load = ["-n", "-c", "8", "-t", "50", "-M", "prepared"];
        const said = await answers("pgbench", [...address, ...load, "postgres"]);
        assert.match(said, /transactions actually processed: 400\/400/);
        const sql =
          "SELECT count(*), sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts) FROM pgbench_history";
        assert.equal(await query(ports.postgresql, sql), "400|t");
      });

      it("TLS that begins inside the protocol is passed through", async () => {
        const tls = `sslmode=verify-full sslrootcert=${authorityFile}`;
        const sql = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert.equal(await query(portOf(proxy, "postgresql"), sql, tls), "t|TLSv1.3");
      });

      it("an idle transaction ends with the idle timeout, and the server takes it back", async (t) => {
        await query(ports.postgresql, "DROP TABLE IF EXISTS idle; CREATE TABLE idle (n int)");
        const client = session(t, "psql", psqlArguments(portOf(proxy, "idle")));
        client.write("BEGIN; INSERT INTO idle VALUES (1); SELECT 'written';\n");
        await client.says("written");
        await statBecomes(proxy, "tcp.idle.idle_timeout", 1);
        client.child.stdin?.end("COMMIT;\n");
        const { code, stderr } = await client.ended;
        assert.equal(code, 2);
        assert.match(stderr, /server closed the connection/);
        // The lock waits for the server's end of the transaction.
        const sql = "BEGIN; LOCK TABLE idle; SELECT count(*) FROM idle; COMMIT";
        assert.equal(await query(ports.postgresql, sql), "0");
      });
    });
  });
}

const drains = { skip: without("redis", "mariadb", "postgresql") };

describe("SIGTERM to Heddle with databases behind it", drains, () => {
  for (const workers of ["1", "2"]) {
    it(`transactions and pipelines that run go on to their end, with ${workers} workers`, async (t) => {
      const proxy = await start(t, config(), "--concurrency", workers);
      const table = "drained (n int)";
      await query(ports.postgresql, `DROP TABLE IF EXISTS drained; CREATE TABLE ${table}`);
      const create = `CREATE OR REPLACE TABLE mysql.${table} ENGINE=InnoDB`;
      await mariadbQuery(ports.mariadb, create);
      const psql = session(t, "psql", psqlArguments(portOf(proxy, "postgresql")));
      const mariadb = session(t, "mariadb", mariadbArguments(portOf(proxy, "mariadb")));
      const pipeline = await connect(t, proxy, "red");
      const waiting = await redisOver(t, proxy, "terminated", "a.test");
      psql.write("BEGIN; INSERT INTO drained VALUES (1); SELECT 'begun';\n");
      mariadb.write("BEGIN; INSERT INTO mysql.drained VALUES (1); SELECT 'begun';\n");
      await pipeline.write("SET n 0\r\nMULTI\r\nINCR n\r\n");
      await waiting.write("DEL later\r\nBLPOP later 0\r\n");
      await Promise.all([psql.says("begun"), mariadb.says("begun")]);
      await pipeline.readThrough("+QUEUED\r\n");
      await waiting.readThrough("\r\n");

      proxy.child.kill("SIGTERM");
      await eventually("the port is closed", () => refuses(proxy, "red"));

      await pipeline.write("INCR n\r\n".repeat(999), "EXEC\r\n");
      await pipeline.readThrough(":1000\r\n");
      await answers("redis-cli", ["-p", `${ports.red}`, "rpush", "later", "now"]);
      await waiting.readThrough("now\r\n");
      for (const client of [psql, mariadb]) {
        const own = client === mariadb ? "mysql.drained" : "drained";
        client.child.stdin?.end(`INSERT INTO ${own} VALUES (2); COMMIT; SELECT 'done';\n`);
        assert.deepEqual(await client.ended, { code: 0, stdout: "begun\ndone\n", stderr: "" });
      }
      assert.equal(proxy.running, true);
      pipeline.end();
      waiting.end();
      const { code, signal } = await proxy.exited;
      assert.deepEqual([code, signal], [0, null]);
      assert.equal(await query(ports.postgresql, "SELECT count(*) FROM drained"), "2");
      assert.equal(await mariadbQuery(ports.mariadb, "SELECT COUNT(*) FROM mysql.drained"), "2");
    });
  }

  it("what has not ended when the drain time is over is cut, and the server takes it back", async (t) => {
    const proxy = await start(t, config(), "--drain-time-s", "1");
    await query(ports.postgresql, "DROP TABLE IF EXISTS cut; CREATE TABLE cut (n int)");
    const client = session(t, "psql", psqlArguments(portOf(proxy, "postgresql")));
    client.write("BEGIN; INSERT INTO cut VALUES (1); SELECT 'begun';\n");
    await client.says("begun");
    proxy.child.kill("SIGTERM");
    assert.equal((await proxy.exited).code, 0);
    client.child.stdin?.end("COMMIT;\n");
    assert.equal((await client.ended).code, 2);
    const sql = "BEGIN; LOCK TABLE cut; SELECT count(*) FROM cut; COMMIT";
    assert.equal(await query(ports.postgresql, sql), "0");
  });
});
