import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pipeAddress } from "#net/address.ts";
import { ask, type RunningAdmin, startAdmin } from "../../../testkit/admin.ts";

const admin: RunningAdmin = await startAdmin();
after(() => admin.close());
const { get, post, source } = admin;

test("headers are Envoy's", async () => {
  const { status, headers } = await get("/ready");
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "text/plain; charset=UTF-8");
  assert.equal(headers["cache-control"], "no-cache, max-age=0");
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["server"], "envoy");
  assert.equal(headers.connection, "close");
});

// Bytes of Envoy 1.40 for a proxy with the same listener and cluster.
for (const [path, body] of [
  ["/ready", "LIVE\n"],
  ["//ready?x", "LIVE\n"],
  ["/hot_restart_version", "disabled"],
  ["/certs", '{\n "certificates": []\n}\n'],
  ["/init_dump", "{}\n"],
  ["/listeners", "c00-main::127.0.0.1:43103\nc00-main::[::1]:80\nuds::/run/x.sock\n"],
  ["/listeners?format=bogus", "c00-main::127.0.0.1:43103\nc00-main::[::1]:80\nuds::/run/x.sock\n"],
  ["/stats?filter=%5Eserver.state$", "server.state: 0\n"],
  ["/stats?filter=nothing", ""],
  ["/stats?filter=nothing&format=json", '{"stats":[]}'],
  ["/stats?type=TextReadouts", ""],
  [
    "/stats?filter=^server.parent&format=prometheus",
    "# TYPE envoy_server_parent_connections gauge\nenvoy_server_parent_connections{} 0\n",
  ],
] as const) {
  test(`GET ${path}`, async () => {
    assert.deepEqual([(await get(path)).status, (await get(path)).body], [200, body]);
  });
}

for (const [path, status, body] of [
  ["/quitquitquit", 405, "Method GET not allowed, POST required."],
  ["/logging", 405, "Method GET not allowed, POST required."],
  ["/stats?filter=(", 400, "Invalid re2 regex: missing ): ("],
  ["/stats?filter=a)(b", 400, "Invalid re2 regex: unexpected ): a)(b"],
  ["/stats?type=Bogus", 400, "invalid &type= param"],
  [
    "/stats/prometheus?histogram_buckets=disjoint",
    400,
    "unsupported prometheus histogram bucket mode",
  ],
  ["/clusters?filter=(", 400, "Invalid re2 regex"],
  ["/config_dump?resource=bogus", 404, "bogus not found in config dump"],
  [
    "/config_dump?resource=bootstrap",
    400,
    "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field",
  ],
  [
    "/config_dump?mask=bogus",
    400,
    "FieldMask bogus could not be successfully applied to any configs.",
  ],
  [
    "/config_dump?name_regex=(",
    400,
    "INVALID_ARGUMENT: Error while parsing name_regex from (: missing ): (",
  ],
  ["/heap_dump", 501, "/heap_dump is not supported by Heddle\n"],
] as const) {
  test(`GET ${path} is refused`, async () => {
    const answer = await get(path);
    assert.deepEqual([answer.status, answer.body], [status, body]);
  });
}

test("an unknown path is answered with the commands", async () => {
  const { status, body } = await get("/ready/");
  assert.equal(status, 404);
  assert.ok(body.startsWith("invalid path. admin commands are:\n  /: Admin home page\n"));
  assert.equal((await get("/help")).body, body.slice("invalid path. ".length));
});

test("every command of Envoy 1.40 is there, with its method", async () => {
  const commands = `/ /allocprofiler* /certs /clusters /config_dump /contention /cpuprofiler* /drain_listeners* /healthcheck/fail*
    /healthcheck/ok* /heap_dump /heapprofiler* /help /hot_restart_version /init_dump /listeners /logging* /memory /memory/tcmalloc
    /peak_heap_dump /quitquitquit* /ready /reopen_logs* /reset_counters* /runtime /runtime_modify* /server_info /stats
    /stats/prometheus /stats/recentlookups /stats/recentlookups/clear* /stats/recentlookups/disable* /stats/recentlookups/enable*`;
  const { body } = await get("/help");
  const lines = [...body.matchAll(/^ {2}(\/\S*)( \(POST\))?:/gm)];
  assert.deepEqual(
    lines.map(([, path, method]) => `${path}${method === undefined ? "" : "*"}`),
    commands.split(/\s+/),
  );
});

test("/listeners in JSON", async () => {
  const { body } = await get("/listeners?format=json");
  assert.deepEqual(JSON.parse(body), {
    listener_statuses: [
      {
        name: "c00-main",
        local_address: { socket_address: { address: "127.0.0.1", port_value: 43103 } },
        additional_local_addresses: [{ socket_address: { address: "::1", port_value: 80 } }],
      },
      { name: "uds", local_address: { pipe: { path: "/run/x.sock" } } },
    ],
  });
});

test("/server_info and /memory", async () => {
  const info = JSON.parse((await get("/server_info")).body);
  assert.deepEqual(
    [
      info.version,
      info.state,
      info.uptime_current_epoch,
      info.node.id,
      info.hot_restart_initializing,
    ],
    ["heddle/1.2.3", "LIVE", "61s", "node-1", false],
  );
  const memory = JSON.parse((await get("/memory")).body);
  assert.deepEqual(Object.keys(memory), [
    "allocated",
    "heap_size",
    "pageheap_unmapped",
    "pageheap_free",
    "total_thread_cache",
    "total_physical_bytes",
  ]);
  assert.ok(Number(memory.total_physical_bytes) >= Number(memory.allocated));
});

test("/runtime and /runtime_modify", async () => {
  assert.deepEqual(JSON.parse((await get("/runtime")).body), {
    entries: {
      a: { final_value: "1", layer_values: ["1"] },
      "b.c": { final_value: "x", layer_values: ["x"] },
    },
    layers: ["s"],
  });
  assert.equal((await post("/runtime_modify?k=v%202&k=no&plus=a+b")).body, "OK\n");
  assert.equal((await post("/runtime_modify", "k1=v1&k2=")).body, "OK\n");
  assert.deepEqual(source.did.splice(0), [
    [
      ["k", "v 2"],
      ["plus", "a+b"],
    ],
    [
      ["k1", "v1"],
      ["k2", ""],
    ],
  ]);
  const refused = await post("/runtime_modify?refused=1");
  assert.deepEqual([refused.status, refused.body], [503, "No admin layer specified"]);
  assert.equal((await post("/runtime_modify")).status, 400);
  source.did.length = 0;
});

test("a form that is too large is refused", async () => {
  const { status } = await post("/runtime_modify", `k=${"x".repeat(70_000)}`);
  assert.equal(status, 413);
  assert.deepEqual(source.did, []);
});

test("actions act", async () => {
  for (const path of ["/reopen_logs", "/quitquitquit", "/drain_listeners?graceful&inboundonly"]) {
    assert.deepEqual([(await post(path)).status, (await post(path)).body], [200, "OK\n"]);
  }
  const drain = { graceful: true, skipExit: false, inboundOnly: true };
  assert.deepEqual(source.did.splice(0), ["reopen", "reopen", "quit", "quit", drain, drain]);
  assert.equal((await post("/healthcheck/fail")).body, "OK\n");
  const ready = await get("/ready");
  assert.deepEqual([ready.status, ready.body], [503, "DRAINING\n"]);
  assert.equal((await post("/healthcheck/ok")).body, "OK\n");
  assert.equal((await get("/ready")).status, 200);
});

test("/logging shows and changes levels, and changes nothing when anything is wrong", async () => {
  assert.equal(
    (await post("/logging")).body,
    "active loggers:\n  admin: warning\n  main: warning\n\n",
  );
  for (const [query, problem] of [
    ["level=bogus", "unknown logger level"],
    ["paths=main:debug,bogus:info", "unknown logger name"],
    ["paths=main:debug,admin:loud", "unknown logger level"],
    ["paths=main", "empty logger name or empty logger level"],
    ["foo=bar", "unknown logger level"],
    ["level=info&paths=main:debug", "invalid number of parameters"],
    ["group=http:debug", "group parameter requires fine-grain logging to be enabled"],
  ] as const) {
    const { status, body } = await post(`/logging?${query}`);
    assert.equal(status, 400, query);
    assert.ok(body.startsWith(`error: ${problem}\n\nusage: /logging?`), body);
    assert.ok(body.endsWith("active loggers:\n  admin: warning\n  main: warning\n\n"), body);
  }
  assert.equal(
    (await post("/logging?paths=main:debug")).body,
    "active loggers:\n  admin: warning\n  main: debug\n\n",
  );
  assert.equal((await post("/logging?admin=off")).status, 200);
  assert.equal(
    (await post("/logging?level=info")).body,
    "active loggers:\n  admin: info\n  main: info\n\n",
  );
});

test("the pages are static: nothing is fetched from elsewhere, names are escaped", async () => {
  source.stats.own.counter("<b>&x").inc();
  for (const path of ["/", "/stats?format=html"]) {
    const { body, headers } = await get(path);
    assert.equal(headers["content-type"], "text/html; charset=UTF-8");
    assert.ok(!/(?:src|href)="(?:https?:)?\/\/|@import|url\(/.test(body));
    assert.ok(!body.includes("<b>"));
  }
  assert.ok((await get("/stats?format=html")).body.includes("&lt;b&gt;&amp;x"));
});

test("the port counts itself and logs its requests", async () => {
  const of = (name: string): number | undefined =>
    [...source.stats.counters(), ...source.stats.gauges()].find((stat) => stat.name === name)
      ?.value;
  await post("/reset_counters");
  source.logged.length = 0;
  await get("/ready");
  await get("/nothing");
  assert.equal(of("http.admin.downstream_rq_total"), 2);
  assert.equal(of("http.admin.downstream_rq_2xx"), 2);
  assert.equal(of("http.admin.downstream_rq_4xx"), 1);
  assert.equal(of("listener.admin.http.admin.downstream_rq_completed"), 3);
  assert.equal(of("listener.admin.downstream_cx_total"), 2);
  assert.equal(of("http.admin.downstream_rq_active"), 0);
  assert.deepEqual(
    source.logged.map((info) => [
      info.requestHead?.path,
      info.responseCode,
      info.responseCodeDetails,
    ]),
    [
      ["/ready", 200, "admin_filter_response"],
      ["/nothing", 404, "admin_filter_response"],
    ],
  );
  assert.equal(source.logged[0]?.bytesSent, 5);
});

test("on a unix socket, with allow_paths", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "heddle-admin-")), "admin.sock");
  const allowPaths = [{ prefix: "/stats" }, { exact: "/ready" }];
  const guarded = await startAdmin({ admin: { allowPaths } }, pipeAddress(path));
  const help = await guarded.get("/help");
  assert.deepEqual([help.status, help.body], [403, "request to path /help not allowed"]);
  assert.equal((await guarded.get("/ready")).body, "LIVE\n");
  assert.equal((await guarded.get("/stats?filter=nothing")).status, 200);
  guarded.close();
});

test("HEAD has no body, any other method is as good as GET", async () => {
  const head = await ask(admin.address, "/ready", { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, ""]);
  assert.equal((await ask(admin.address, "/ready", { method: "PUT" })).body, "LIVE\n");
  const refused = await ask(admin.address, "/quitquitquit", { method: "DELETE" });
  assert.deepEqual(
    [refused.status, refused.body],
    [405, "Method DELETE not allowed, POST required."],
  );
});
