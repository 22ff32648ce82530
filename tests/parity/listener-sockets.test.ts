import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { renameSync, statSync } from "node:fs";
import { connect, createServer, type NetConnectOpts } from "node:net";
import { byHand, echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  type CaseConfig,
  cluster,
  fileAccessLog,
  type JsonObject,
  listener,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { toEcho } from "./harness/listener-filters.ts";
import { proxying } from "./harness/tcp-proxy.ts";

const socketLevel = "1";
const sendBuffer = "7";
const receiveBuffer = "8";

const listening = (extra: JsonObject): CaseConfig => ({
  listeners: [
    listener([toEcho], {
      access_log: [
        fileAccessLog("%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
      ],
      ...extra,
    }),
  ],
});
const at = (address: string, extra: JsonObject = {}): JsonObject => ({
  address: { socket_address: { address, port_value: 0, ...extra } },
});
const pipe = (path: string, mode = 0): JsonObject => ({ address: { pipe: { path, mode } } });
const intOption = (name: string, value: number, state = "STATE_PREBIND"): JsonObject => ({
  level: socketLevel,
  name,
  int_value: String(value),
  state,
});

async function echoes(options: NetConnectOpts): Promise<void> {
  const socket = connect(options);
  socket.write("hello");
  const [answer] = await once(socket, "data");
  assert.equal(String(answer), "hello");
  socket.destroy();
}

function portOf(t: CaseContext): number {
  const address = t.address();
  assert.ok("port" in address);
  return address.port;
}

/** What the kernel says of the sockets that a filter of ss(8) selects. */
const sockets = (...words: readonly string[]): string =>
  execFileSync("ss", ["-H", "-n", "-t", ...words], { encoding: "utf8" });

const pipes: readonly ParityCase[] = [
  {
    name: "a Unix socket has its mode",
    config: listening(pipe("{folder}/listener.sock", 0o640)),
    upstream: echo(),
    run: async (t) => {
      const path = t.fill("{folder}/listener.sock");
      assert.equal(statSync(path).mode & 0o777, 0o640);
      await echoes({ path });
      assert.match(await t.logLine(), /listener\.sock /);
    },
  },
  {
    name: "a Unix socket that a dead process left is replaced",
    config: listening(pipe("{folder}/stale.sock")),
    upstream: echo(),
    own: { start: false },
    run: async (t) => {
      const path = t.fill("{folder}/stale.sock");
      const dead = createServer();
      dead.listen(`${path}.dead`);
      await once(dead, "listening");
      renameSync(`${path}.dead`, path);
      dead.close();
      await t.start();
      await echoes({ path });
    },
  },
  {
    name: "an abstract socket",
    config: listening(pipe("@{case}-abstract")),
    upstream: echo(),
    own: {},
    run: async (t) => {
      await echoes({ path: `\0${t.id}-abstract` });
      assert.deepEqual(t.address(), { path: `@${t.id}-abstract` });
      assert.match(await t.logLine(), /^@c\d+-abstract /);
    },
  },
];

const internet: readonly ParityCase[] = [
  {
    name: "tcp_backlog_size",
    config: listening({ tcp_backlog_size: 77 }),
    upstream: echo(),
    run: async (t) => {
      assert.match(sockets("-l", `sport = :${portOf(t)}`), /^LISTEN +0 +77 /);
    },
  },
  {
    name: "without freebind, an address that is not ours is refused",
    config: listening(at("192.0.2.77")),
    upstream: echo(),
    own: { start: false },
    run: async (t) => {
      await assert.rejects(t.start(), /192\.0\.2\.77/);
    },
  },
  {
    name: "freebind",
    config: listening({ ...at("192.0.2.77"), freebind: true }),
    upstream: echo(),
    run: async (t) => {
      assert.match(sockets("-l", `sport = :${portOf(t)}`), / 192\.0\.2\.77:/);
    },
  },
  {
    name: "freebind, IPv6",
    config: listening({ ...at("2001:db8::77"), freebind: true }),
    upstream: echo(),
    run: async (t) => {
      assert.match(sockets("-l", `sport = :${portOf(t)}`), / \[2001:db8::77\]:/);
    },
  },
  {
    name: "transparent",
    config: listening({ ...at("192.0.2.78"), transparent: true }),
    upstream: echo(),
    run: async (t) => {
      assert.match(sockets("-l", `sport = :${portOf(t)}`), / 192\.0\.2\.78:/);
    },
  },
  {
    name: "socket_options before bind, before listen and after it",
    config: listening({
      socket_options: [
        intOption(receiveBuffer, 70_000),
        intOption(sendBuffer, 60_000, "STATE_BOUND"),
        {
          ...intOption(receiveBuffer, 0, "STATE_LISTENING"),
          level: "6",
          name: "9",
          int_value: "7",
        },
      ],
    }),
    upstream: echo(),
    run: async (t) => {
      const [line = ""] = sockets("-l", "-m", `sport = :${portOf(t)}`).split("\n\n");
      assert.match(line, /rb140000,/);
      assert.match(line, /tb120000,/);
      await echoes({ port: portOf(t), host: "127.0.0.1" });
    },
  },
  {
    name: "a socket option of bytes",
    config: listening({
      socket_options: [
        {
          level: socketLevel,
          name: receiveBuffer,
          buf_value: Buffer.from(Uint32Array.of(80_000).buffer).toString("base64"),
        },
      ],
    }),
    upstream: echo(),
    run: async (t) => {
      assert.match(sockets("-l", "-m", `sport = :${portOf(t)}`), /rb160000,/);
    },
  },
  {
    name: "a socket option of datagram sockets is not for TCP",
    config: listening({ socket_options: [{ ...intOption("9999", 1), type: { datagram: {} } }] }),
    upstream: echo(),
    run: async (t) => {
      await echoes({ port: portOf(t), host: "127.0.0.1" });
    },
  },
  {
    name: "a socket option that the kernel refuses",
    config: listening({ socket_options: [{ ...intOption("9999", 1), description: "nonsense" }] }),
    upstream: echo(),
    own: { start: false },
    run: async (t) => {
      await assert.rejects(t.start(), /socket option/i);
    },
  },
  {
    name: "tcp_fast_open_queue_length",
    config: listening({ tcp_fast_open_queue_length: 16 }),
    upstream: echo(),
    run: async (t) => {
      await echoes({ port: portOf(t), host: "127.0.0.1" });
    },
  },
  {
    name: "max_connections_to_accept_per_socket_event and exemptions from limits are taken",
    config: listening({
      max_connections_to_accept_per_socket_event: 1,
      ignore_global_conn_limit: true,
      bypass_overload_manager: true,
    }),
    upstream: echo(),
    run: async (t) => {
      const options = { port: portOf(t), host: "127.0.0.1" };
      await Promise.all(Array.from({ length: 20 }, () => echoes(options)));
    },
  },
  {
    name: "ipv4_compat takes IPv4 on an IPv6 socket",
    config: listening(at("::", { ipv4_compat: true })),
    upstream: echo(),
    run: async (t) => {
      await echoes({ port: portOf(t), host: "127.0.0.1" });
      assert.equal(await t.logLine(), `127.0.0.1:${portOf(t)} 127.0.0.1`);
      await echoes({ port: portOf(t), host: "::1" });
      assert.equal((await t.log(2))[1], `[::1]:${portOf(t)} ::1`);
    },
  },
  {
    name: "without it an IPv6 socket is for IPv6",
    config: listening(at("::")),
    upstream: echo(),
    run: async (t) => {
      await echoes({ port: portOf(t), host: "::1" });
      await assert.rejects(echoes({ port: portOf(t), host: "127.0.0.1" }), /ECONNREFUSED/);
    },
  },
  {
    name: "enable_reuse_port lets another process have the port too",
    config: listening({ enable_reuse_port: true }),
    upstream: echo(),
    run: (t) => mayShare(t, true),
  },
  {
    name: "without enable_reuse_port nobody else has it",
    config: listening({ enable_reuse_port: false }),
    upstream: echo(),
    run: (t) => mayShare(t, false),
  },
];

async function mayShare(t: CaseContext, shared: boolean): Promise<void> {
  const other = createServer();
  const outcome = once(other, "listening").then(
    () => true,
    () => false,
  );
  other.listen({ port: portOf(t), host: "127.0.0.1", reusePort: true });
  assert.equal(await outcome, shared);
  other.close();
}

const refused = (name: string, config: CaseConfig, reason: RegExp): ParityCase => ({
  name,
  config,
  upstream: echo(),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, reason);
  },
});

const refusals: readonly ParityCase[] = [
  refused(
    "an abstract socket has no mode",
    listening(pipe("@{case}", 0o600)),
    /Cannot set mode for Abstract AF_UNIX sockets/,
  ),
  refused(
    "a path longer than a Unix socket's",
    listening(pipe(`/tmp/${"x".repeat(120)}`)),
    /exceeds maximum UNIX domain socket path size of 108/,
  ),
];

const upstreams: readonly ParityCase[] = [
  {
    name: "upstream_bind_config: source address and socket options",
    config: proxying({}, [
      cluster("main", {
        upstream_bind_config: {
          source_address: { address: "127.0.0.3", port_value: 0 },
          socket_options: [intOption(receiveBuffer, 90_000)],
        },
      }),
    ]),
    upstream: byHand(),
    run: async (t) => {
      await t.connect();
      const upstream = await t.upstream().connection();
      assert.equal(upstream.socket.remoteAddress, "127.0.0.3");
      assert.match(sockets("-m", `dport = :${t.upstream().port}`), /rb180000,/);
    },
  },
  {
    name: "upstream_bind_config: socket options alone",
    config: proxying({}, [
      cluster("main", {
        upstream_bind_config: { socket_options: [intOption(sendBuffer, 50_000)] },
      }),
    ]),
    upstream: byHand(),
    run: async (t) => {
      await t.connect();
      await t.upstream().connection();
      assert.match(sockets("-m", `dport = :${t.upstream().port}`), /tb100000,/);
    },
  },
];

parityArea("listener-sockets", [...pipes, ...internet, ...refusals, ...upstreams]);
