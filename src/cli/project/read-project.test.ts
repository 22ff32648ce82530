import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigFileError } from "#config/config-file-error.ts";
import type { Project } from "./project.ts";
import { readProject } from "./read-project.ts";
import { expand, splitWords } from "./words.ts";

function read(text: string, environment = {}): Project {
  return readProject({ file: "/shop/heddle.yaml", name: "heddle.yaml", text, environment });
}

function problems(text: string): readonly string[] {
  try {
    read(text);
  } catch (error) {
    assert.ok(error instanceof ConfigFileError);
    return error.message.split("\n");
  }
  return [];
}

test("the smallest project: one service", () => {
  const project = read("services:\n  hello: { command: node hello.js, port: 3000 }\n");
  assert.deepEqual(project, {
    file: "/shop/heddle.yaml",
    folder: "/shop",
    namespace: "default",
    config: [],
    gateway: undefined,
    services: [
      {
        name: "hello",
        namespace: "default",
        ports: [{ port: 3000, target: undefined, protocol: "http", name: "http-3000" }],
        releases: [
          {
            version: "v1",
            command: ["node", "hello.js"],
            cwd: "/shop",
            env: {},
            health: { kind: "tcp", timeoutMs: 30_000 },
            replicas: 1,
            restart: "on-failure",
            upstreams: [],
          },
        ],
        dependsOn: [],
      },
    ],
  });
});

test("versions share what they do not say themselves", () => {
  const { services } = read(`
services:
  reviews:
    command: node reviews.js
    ports: ["9080:3000", 9090/grpc, { port: 27017, protocol: mongo, name: db }]
    env: { STARS: none, LOG: "1" }
    health: { path: /health, timeout: 1m30s }
    upstreams: [mongodb:27017]
    versions:
      v1:
      v2: { env: [STARS=black], replicas: 2 }
      v3: { command: [node, "my reviews.js"], cwd: next, health: false }
`);
  const releases = services[0]?.releases ?? [];
  assert.deepEqual(
    services[0]?.ports.map(({ port, target, protocol, name }) => [port, target, protocol, name]),
    [
      [9080, 3000, "http", "http-9080"],
      [9090, undefined, "grpc", "grpc-9090"],
      [27017, undefined, "mongo", "db"],
    ],
  );
  assert.deepEqual(
    releases.map(({ version, replicas, env }) => [version, replicas, env]),
    [
      ["v1", 1, { STARS: "none", LOG: "1" }],
      ["v2", 2, { STARS: "black", LOG: "1" }],
      ["v3", 1, { STARS: "none", LOG: "1" }],
    ],
  );
  assert.deepEqual(releases[2]?.command, ["node", "my reviews.js"]);
  assert.equal(releases[2]?.cwd, "/shop/next");
  assert.deepEqual(releases[2]?.health, { kind: "none" });
  assert.deepEqual(releases[0]?.health, { kind: "http", path: "/health", timeoutMs: 90_000 });
  assert.deepEqual(releases[0]?.upstreams, [{ host: "mongodb", port: 27017 }]);
});

test("the gateway's ports, and where configuration lies", () => {
  const { gateway, config } = read(`
config: [rules, /etc/mesh]
gateway: ["9080:8080", 8443]
services: {}
`);
  assert.deepEqual(config, ["/shop/rules", "/etc/mesh"]);
  assert.deepEqual(gateway?.ports, [
    { local: 9080, gateway: 8080 },
    { local: 8443, gateway: 8443 },
  ]);
  assert.equal(read("gateway: false\nservices: {}\n").gateway, undefined);
});

test("everything that is wrong is said at once, with its place", () => {
  const found = problems(`
namspace: shop
services:
  Reviews: { command: a }
  web:
    comand: node web.js
    port: 70000
    depends_on: [databse]
    restart: sometimes
  database:
    command: "db && true"
    ports: [5432/sql, 1, 1]
    replicas: many
    env: { 1A: x }
    health: health
    version: V 2
`);
  assert.deepEqual(found, [
    'heddle.yaml:2:1: namspace: unknown field "namspace"; did you mean "namespace"?',
    'heddle.yaml:4:12: services.Reviews: "Reviews" is not a name of lower-case letters, digits and dashes',
    'heddle.yaml:6:5: services.web.comand: unknown field "comand"; did you mean "command"?',
    "heddle.yaml:7:11: services.web.port: 70000 is not a port from 1 to 65535",
    'heddle.yaml:6:5: services.web: is missing "command": the program to run',
    'heddle.yaml:12:13: services.database.ports[0]: "sql" is none of http, http2, grpc, tcp, tls, https, mongo, mysql, redis',
    "heddle.yaml:12:12: services.database.ports: a port is there twice",
    'heddle.yaml:16:14: services.database.version: "V 2" is not a version such as v1 or 2.0',
    'heddle.yaml:11:14: services.database.command: "&&" is for a shell: write ["sh", "-c", "..."]',
    'heddle.yaml:14:16: services.database.env.1A: "1A" is not a variable\'s name',
    'heddle.yaml:15:13: services.database.health: "health" is not a path such as /health',
    "heddle.yaml:13:15: services.database.replicas: a whole number from 0 to 50 is expected",
    'heddle.yaml:8:17: services.web.depends_on: there is no service "databse"; did you mean "database"?',
  ]);
});

test("a restart policy, a gateway and services that are none", () => {
  assert.match(
    problems("services: { a: { command: x, restart: sometimes } }")[0] ?? "",
    /"sometimes" is none of no, on-failure, always/,
  );
  assert.match(
    problems("gateway: { port: 1 }\nservices: {}")[0] ?? "",
    /unknown field "port"; did you mean "ports"/,
  );
  assert.match(problems("namespace: a")[0] ?? "", /is missing "services"/);
  assert.match(problems("services: [a]")[0] ?? "", /a mapping is expected, not a list/);
  assert.match(problems("services:\n  a: {\n")[0] ?? "", /^heddle.yaml:\d+:\d+: /);
});

test("services that wait for each other", () => {
  const service = (after: string): string => `{ command: x, depends_on: [${after}] }`;
  assert.match(
    problems(`services: { a: ${service("b")}, b: ${service("c")}, c: ${service("b")} }`)[0] ?? "",
    /wait for each other: b -> c -> b$/,
  );
});

test("variables", () => {
  const { services } = read(
    "services: { a: { command: '${RUNTIME:-node} $$1', env: { A: 'x${HOME}', B: null } } }",
    { HOME: "/h", B: "from outside" },
  );
  assert.deepEqual(services[0]?.releases[0]?.command, ["node", "$1"]);
  assert.deepEqual(services[0]?.releases[0]?.env, { A: "x/h", B: "from outside" });
  assert.match(problems("services: { a: { command: $NOTHING } }")[0] ?? "", /NOTHING is not set/);
  assert.deepEqual(expand("$A$A", {}), { text: "", missing: ["A", "A"] });
});

test("words", () => {
  const cases: readonly (readonly [string, readonly string[] | undefined])[] = [
    ["  node  a.js ", ["node", "a.js"]],
    [`node -e 'a "b"' "c 'd'"`, ["node", "-e", `a "b"`, "c 'd'"]],
    [`a\\ b "c\\"d" e''f`, ["a b", `c"d`, "ef"]],
    ["''", [""]],
    ["a 'b", undefined],
    [`a "b`, undefined],
    ["", []],
  ];
  for (const [text, words] of cases) assert.deepEqual(splitWords(text), words, text);
});
