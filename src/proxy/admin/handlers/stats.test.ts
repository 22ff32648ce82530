import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type RunningAdmin, startAdmin } from "../../../../testkit/admin.ts";

const admin: RunningAdmin = await startAdmin();
after(() => admin.close());
const { get, post, source, clock } = admin;

test("/stats: kinds, filters, used only, reset", async () => {
  const own = source.stats.own.scope("t.");
  own.counter("unused");
  own.counter("c").add(2);
  own.gauge("b").set(0);
  own.histogram("h");
  const text = async (query: string): Promise<string> =>
    (await get(`/stats?filter=^t%5C.&${query}`)).body;
  assert.equal(await text(""), "t.b: 0\nt.c: 2\nt.unused: 0\nt.h: No recorded values\n");
  assert.equal(await text("usedonly"), "t.b: 0\nt.c: 2\n");
  assert.equal(await text("type=Gauges"), "t.b: 0\n");
  assert.equal(await text("type=Histograms"), "t.h: No recorded values\n");
  const inverted = (await get("/stats?filter=^t%5C.&invert_filter")).body;
  assert.ok(inverted.includes("server.live: 1\n") && !/^t\./m.test(inverted));
  assert.equal((await post("/reset_counters")).body, "OK\n");
  assert.equal(await text("usedonly"), "t.b: 0\nt.c: 0\n");
});

test("/stats: histograms as Envoy writes them", async () => {
  const histogram = source.stats.own.histogram("q.h");
  for (const value of [0, 0, 0, 0, 0, 1]) histogram.record(value);
  const text = async (mode: string): Promise<string> =>
    (await get(`/stats?filter=^q.h&histogram_buckets=${mode}`)).body;
  assert.equal(
    await text("summary"),
    "q.h: P0(nan,0) P25(nan,0) P50(nan,0) P75(nan,0) P90(nan,1.05) P95(nan,1.05) P99(nan,1.05) P99.5(nan,1.05) P99.9(nan,1.05) P100(nan,1.05)\n",
  );
  assert.equal(
    await text("disjoint"),
    "q.h: B0.5(0,5) B1(0,1) B5(0,0) B10(0,0) B25(0,0) B50(0,0) B100(0,0) B250(0,0) B500(0,0) B1000(0,0) B2500(0,0) B5000(0,0) B10000(0,0) B30000(0,0) B60000(0,0) B300000(0,0) B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)\n",
  );
  assert.match(
    await text("cumulative"),
    /^q\.h: B0\.5\(0,5\) B1\(0,6\) B5\(0,6\) .*B3\.6e\+06\(0,6\)\n$/,
  );
  assert.equal(
    await text("detailed"),
    "q.h: \n  totals=0,0:5, 1,0.1:1\n  intervals=\n  summary=P0(nan,0) P25(nan,0) P50(nan,0) P75(nan,0) P90(nan,1.05) P95(nan,1.05) P99(nan,1.05) P99.5(nan,1.05) P99.9(nan,1.05) P100(nan,1.05)\n",
  );
  assert.equal((await get("/stats?histogram_buckets=bogus")).status, 400);
  const { stats } = JSON.parse((await get("/stats?filter=^q.h&format=json")).body);
  assert.deepEqual(stats[0].histograms.computed_quantiles[0].values[4], {
    cumulative: 1.05,
    interval: null,
  });
  const detailed = await get("/stats?filter=^q.h&format=json&histogram_buckets=detailed");
  assert.deepEqual(JSON.parse(detailed.body).stats[0].histograms.details[0].totals, [
    { lower_bound: 0, width: 0, count: 5 },
    { lower_bound: 1, width: 0.1, count: 1 },
  ]);
  clock.advance(5000);
  assert.match(await text("summary"), /P90\(1\.05,1\.05\)/);
});

test("/stats: what stats_matcher refuses is not shown", async () => {
  const patterns = [{ prefix: "http." }, { safeRegex: { regex: "server\\..*" } }];
  const quiet = await startAdmin({
    statsConfig: { statsMatcher: { exclusionList: { patterns } } },
  });
  const names = (await quiet.get("/stats")).body;
  quiet.close();
  assert.doesNotMatch(names, /^(?:http|server)\./m);
  // The prefix is matched at the beginning only, as in Envoy.
  assert.match(names, /^listener\.admin\.http\.admin\.downstream_rq_2xx: 0$/m);
});
