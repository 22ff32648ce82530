import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NetworkNamespace } from "../../testkit/network-namespace.ts";
import { extension, type JsonObject } from "../parity/harness/config.ts";
import { type Side, selectedSides } from "../parity/harness/sides.ts";

/** The client's addresses: only what comes from them is redirected, so the proxy itself is not. */
const client4 = "10.77.0.2";
const client6 = "fd77::2";
const server4 = "10.77.0.1";
const server6 = "fd77::1";
/** Where iptables sends the client's connections. */
const proxyPort = 15_001;
const proxyPort6 = 15_002;
/** Ports with a listener of their own that no socket is bound to. */
const exactPort = 8081;
const wildcardPort = 8082;
const startMs = 15_000;
const peer = fileURLToPath(new URL("peer.ts", import.meta.url));

const originalDst = extension(
  "envoy.filters.listener.original_dst",
  "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
);

const accessLog = (path: string): JsonObject =>
  extension("envoy.access_loggers.file", "envoy.extensions.access_loggers.file.v3.FileAccessLog", {
    path,
    log_format: {
      text_format_source: {
        inline_string:
          "%FILTER_CHAIN_NAME% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS% %UPSTREAM_HOST% %RESPONSE_FLAGS%\n",
      },
    },
  });

const tcpProxy = (log: string): JsonObject =>
  extension(
    "envoy.filters.network.tcp_proxy",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    { stat_prefix: "tcp", cluster: "original", access_log: [accessLog(log)] },
  );

/** Answers with its name, so that one sees which listener took the connection. */
const directly = (body: string): JsonObject =>
  extension(
    "envoy.filters.network.http_connection_manager",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    {
      stat_prefix: "http",
      route_config: {
        virtual_hosts: [
          {
            name: "all",
            domains: ["*"],
            routes: [
              {
                match: { prefix: "/" },
                direct_response: { status: 200, body: { inline_string: body } },
              },
            ],
          },
        ],
      },
      http_filters: [
        extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"),
      ],
    },
  );

const socketAddress = (address: string, port_value: number): JsonObject => ({
  socket_address: { address, port_value },
});

function bootstrap(log: string): JsonObject {
  const chains = [
    {
      name: "eighty",
      filter_chain_match: { destination_port: 80 },
      filters: [tcpProxy(log)],
    },
    { name: "other", filters: [tcpProxy(log)] },
  ];
  const unbound = (name: string, address: string, port: number): JsonObject => ({
    name,
    address: socketAddress(address, port),
    bind_to_port: false,
    filter_chains: [{ filters: [directly(`${name}\n`)] }],
  });
  return {
    admin: { address: socketAddress("127.0.0.1", 0) },
    static_resources: {
      listeners: [
        {
          name: "captured",
          address: socketAddress("0.0.0.0", proxyPort),
          use_original_dst: true,
          listener_filters: [originalDst],
          filter_chains: chains,
        },
        {
          name: "captured6",
          address: socketAddress("::", proxyPort6),
          listener_filters: [originalDst],
          filter_chains: chains,
        },
        unbound("exact", server4, exactPort),
        unbound("wildcard", "0.0.0.0", wildcardPort),
      ],
      clusters: [
        {
          name: "original",
          type: "ORIGINAL_DST",
          lb_policy: "CLUSTER_PROVIDED",
          connect_timeout: "1s",
          circuit_breakers: { thresholds: [{ max_connections: 20 }] },
        },
      ],
    },
  };
}

/** A namespace with addresses, redirection, servers and a proxy. */
class Scene {
  readonly #namespace: NetworkNamespace;
  readonly #folder: string;
  readonly #children: ChildProcess[] = [];
  #output = "";

  constructor(side: Side) {
    this.#folder = mkdtempSync(join(tmpdir(), `netns-${side.name}-`));
    this.#namespace = NetworkNamespace.make(`heddle-${process.pid}-${side.name}`);
  }

  async start(side: Side): Promise<void> {
    const namespace = this.#namespace;
    for (const address of [`${client4}/32`, `${server4}/32`])
      namespace.run(["ip", "address", "add", address, "dev", "lo"]);
    for (const address of [`${client6}/128`, `${server6}/128`])
      namespace.run(["ip", "-6", "address", "add", address, "dev", "lo", "nodad"]);
    redirect(namespace, "iptables", client4, proxyPort);
    redirect(namespace, "ip6tables", client6, proxyPort6);
    await Promise.all([
      this.#serve(server4, 80),
      this.#serve(server4, 8080),
      this.#serve(server6, 8080),
    ]);
    await this.#proxy(side);
  }

  async #serve(address: string, port: number): Promise<void> {
    const child = this.#spawn([process.execPath, peer, "serve", address, String(port)]);
    const [text] = await once(child.stdout ?? child, "data");
    assert.equal(String(text), "listening\n");
  }

  async #proxy(side: Side): Promise<void> {
    const config = join(this.#folder, "bootstrap.json");
    const admin = join(this.#folder, "admin");
    writeFileSync(config, JSON.stringify(bootstrap(this.logPath)));
    const child = this.#spawn([
      ...side.command(),
      ...["-c", config, "--concurrency", "1", "-l", "warning", "--admin-address-path", admin],
      ...side.serveArguments,
    ]);
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (text) => {
        this.#output += text;
      });
    const deadline = AbortSignal.timeout(startMs);
    while (!this.#isReady(admin)) {
      if (deadline.aborted || child.exitCode !== null)
        throw new Error(`the proxy is not ready:\n${this.#output}`);
      await delay(20);
    }
  }

  #isReady(admin: string): boolean {
    try {
      const [host = "", port = ""] = readFileSync(admin, "utf8").trim().split(":");
      this.#namespace.run([process.execPath, peer, "get", host, port, "/ready"]);
      return true;
    } catch {
      return false;
    }
  }

  #spawn(words: readonly string[]): ChildProcess {
    const child = this.#namespace.spawn(words, { stdio: ["ignore", "pipe", "pipe"] });
    this.#children.push(child);
    return child;
  }

  get logPath(): string {
    return join(this.#folder, "access.log");
  }

  /** What a client at `source` gets from `address`. */
  ask(source: string, address: string, port: number): string {
    return this.#namespace.run([process.execPath, peer, "ask", source, address, String(port)]);
  }

  /** The log's next line that holds `text`. */
  async logged(text: string): Promise<string> {
    const deadline = AbortSignal.timeout(startMs);
    for (;;) {
      const line = readFileSync(this.logPath, "utf8")
        .split("\n")
        .find((it) => it.includes(text));
      if (line !== undefined) return line;
      if (deadline.aborted)
        throw new Error(`no ${text} in the log; the proxy said ${this.#output}`);
      await delay(10);
    }
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }
    this.#namespace.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function redirect(
  namespace: NetworkNamespace,
  program: string,
  source: string,
  port: number,
): void {
  const rule = ["-p", "tcp", "-s", source, "!", "--dport", String(port), "-j", "REDIRECT"];
  namespace.run([program, "-t", "nat", "-A", "OUTPUT", ...rule, "--to-ports", String(port)]);
}

for (const side of selectedSides()) {
  describe(`original destination on ${side.name}`, () => {
    let scene: Scene;
    before(async () => {
      scene = new Scene(side);
      await scene.start(side);
    });
    after(() => scene.stop());

    test("a redirected connection reaches the server it was meant for", async () => {
      assert.match(scene.ask(client4, server4, 8080), /reached 10\.77\.0\.1 8080\n$/);
      const line = await scene.logged("8080");
      assert.match(line, /^other 10\.77\.0\.1:8080 \S+:15001 10\.77\.0\.1:8080 -$/);
    });

    test("the filter chain is matched by the port it was meant for", async () => {
      assert.match(scene.ask(client4, server4, 80), /reached 10\.77\.0\.1 80\n$/);
      assert.match(
        await scene.logged("eighty"),
        /^eighty 10\.77\.0\.1:80 \S+:15001 10\.77\.0\.1:80 -$/,
      );
    });

    test("IPv6", async () => {
      assert.match(scene.ask(client6, server6, 8080), /reached fd77::1 8080\n$/);
      const line = await scene.logged("fd77");
      assert.match(line, /^other \[fd77::1\]:8080 \[\S+\]:15002 \[fd77::1\]:8080 -$/);
    });

    test("use_original_dst hands the connection to the listener of that very address", () => {
      assert.match(scene.ask(client4, server4, exactPort), /exact\n$/);
    });

    test("or to the listener of any address on that port", () => {
      assert.match(scene.ask(client4, server4, wildcardPort), /wildcard\n$/);
    });

    test("a server that is not there", async () => {
      scene.ask(client4, server4, 9999);
      assert.match(await scene.logged("9999"), /^other 10\.77\.0\.1:9999 .* UF,URX$/);
    });

    // docs/reference/differences-from-envoy.md: A connection that nobody redirected has no original destination.
    test("a connection that nobody redirected does not go in circles", async () => {
      scene.ask(client4, server4, proxyPort);
      const flag = side.name === "envoy" ? "UO" : "UH";
      assert.match(
        await scene.logged(` ${flag}`),
        new RegExp(`^other 10\\.77\\.0\\.1:15001 10\\.77\\.0\\.1:15001 - ${flag}$`),
      );
    });
  });
}
