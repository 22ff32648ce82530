import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { systemClock } from "#lib/clock.ts";
import { readObjects } from "#model/documents.ts";
import { MemoryStore } from "../stores/memory/memory-store.ts";
import type { ConfigStore } from "../stores/store.ts";
import { ConfigApi } from "./config-api.ts";

const route = (subset: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, labels: {team: a}}
spec:
  hosts: [reviews]
  http:
    - route: [{destination: {host: reviews, subset: ${subset}}}]
`;

interface Answer {
  readonly status: number;
  readonly etag: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into JSON
  readonly json: any;
}

async function startApi(t: TestContext, readOnly: readonly ConfigStore[] = []) {
  const store = new MemoryStore({ clock: systemClock });
  const api = new ConfigApi({
    store,
    readOnly,
    version: "1",
    acknowledged: async (revision) => ({ acked: [`a${revision}`], refused: [], pending: [] }),
  });
  const server = createServer((request, response) => {
    void api.handle(request, response).then((taken) => {
      if (!taken) response.writeHead(404).end();
    });
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  t.after(() => {
    api.close();
    server.closeAllConnections();
    server.close();
  });
  // Proof: it listens on TCP.
  const { port } = server.address() as AddressInfo;
  const base = `http://127.0.0.1:${port}`;
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> => {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return {
      status: response.status,
      etag: response.headers.get("etag"),
      json: await response.json(),
    };
  };
  return { ask, base, port };
}

const file = (subset: string) => ({
  files: [{ name: "reviews.yaml", text: route(subset) }],
  author: "ann",
});
const one = "/api/v1/objects/vs/default/reviews";

test("apply makes a revision, and says what it changed", async (t) => {
  const { ask } = await startApi(t);
  const first = await ask("POST", "/api/v1/apply", file("v1"));
  assert.equal(first.status, 200);
  assert.equal(first.json.revision, 1);
  assert.equal(first.json.author, "ann");
  assert.deepEqual(
    first.json.changes.map(({ key, action }: { key: string; action: string }) => [key, action]),
    [["VirtualService/default/reviews", "created"]],
  );
  const same = await ask("POST", "/api/v1/apply", file("v1"));
  assert.deepEqual(
    [same.json.changes, same.json.unchanged],
    [[], ["VirtualService/default/reviews"]],
  );
  const got = await ask("GET", one);
  assert.equal(got.json.spec.http[0].route[0].destination.subset, "v1");
  assert.equal(got.etag, '"1"');
});

test("a bad file changes nothing, and every problem is named by its place", async (t) => {
  const { ask } = await startApi(t);
  const bad = {
    files: [...file("v1").files, { name: "bad.yaml", text: route("v2").replace("hosts", "host") }],
  };
  const answer = await ask("POST", "/api/v1/apply", bad);
  assert.equal(answer.status, 422);
  assert.match(
    answer.json.problems[0],
    /^bad\.yaml:5:\d+ VirtualService\/default\/reviews spec\.host: .*"?hosts/,
  );
  assert.deepEqual((await ask("GET", "/api/v1/objects")).json.items, []);
});

test("what is not enforced is refused by name, where it stands", async (t) => {
  const { ask } = await startApi(t);
  const policy = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody}
spec: {}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL}
`;
  const answer = await ask("POST", "/api/v1/apply", { files: [{ name: "p.yaml", text: policy }] });
  assert.equal(answer.status, 422);
  assert.deepEqual(
    answer.json.problems.map((problem: string) => problem.replace(/: (?:there|nothing).*/, "")),
    [
      "p.yaml:2:7 AuthorizationPolicy/default/nobody kind: is not supported by Heddle yet",
      "p.yaml:12:17 DestinationRule/default/reviews spec.trafficPolicy.tls.mode: ISTIO_MUTUAL is not supported by Heddle yet",
    ],
  );
  assert.deepEqual((await ask("GET", "/api/v1/objects")).json.items, []);
});

test("objects are found by kind, namespace, name and labels", async (t) => {
  const { ask } = await startApi(t);
  await ask("POST", "/api/v1/apply", file("v1"));
  const count = async (query: string): Promise<number> =>
    (await ask("GET", `/api/v1/objects?${query}`)).json.items.length;
  assert.equal(await count("kind=virtualservices&namespace=default"), 1);
  assert.equal(await count("kind=dr"), 0);
  assert.equal(await count("namespace=other"), 0);
  assert.equal(await count("labelSelector=team%3Da"), 1);
  assert.equal(await count("labelSelector=team!%3Da"), 0);
  const unknown = await ask("GET", "/api/v1/objects?kind=virtualservise");
  assert.equal(unknown.status, 400);
  assert.match(unknown.json.title, /VirtualService/);
});

test("writing over somebody else's change is refused", async (t) => {
  const { ask } = await startApi(t);
  await ask("POST", "/api/v1/apply", file("v1"));
  const { json, etag } = await ask("GET", one);
  json.spec.hosts = ["reviews", "other"];
  assert.equal((await ask("PUT", one, json, { "if-match": String(etag) })).status, 200);
  const late = await ask("PUT", one, json, { "if-match": String(etag) });
  assert.equal(late.status, 409);
  assert.match(late.json.title, /is at version 2 now, not 1/);
  assert.equal((await ask("PUT", one, json, { "if-none-match": "*" })).status, 409);
  assert.equal((await ask("DELETE", one, undefined, { "if-match": '"1"' })).status, 409);
  assert.equal((await ask("DELETE", one, undefined, { "if-match": '"2"' })).status, 200);
  assert.equal((await ask("GET", one)).status, 404);
});

test("history names who did what, and undo takes it back", async (t) => {
  const { ask } = await startApi(t);
  await ask("POST", "/api/v1/apply", file("v1"));
  await ask("POST", "/api/v1/apply", { ...file("v2"), author: "bob", message: "to v2" });
  const { json } = await ask("GET", "/api/v1/revisions");
  assert.deepEqual(
    json.items.map((item: { author: string }) => item.author),
    ["bob", "ann"],
  );
  assert.equal(json.items[0].changes[0].before.spec.http[0].route[0].destination.subset, "v1");
  const undone = await ask("POST", "/api/v1/revisions/latest/undo", { author: "eve" });
  assert.equal(undone.json.revision, 3);
  assert.match(undone.json.message, /undo of revision 2: to v2/);
  assert.equal((await ask("GET", one)).json.spec.http[0].route[0].destination.subset, "v1");
  assert.equal((await ask("POST", "/api/v1/revisions/2/undo", {})).status, 409);
});

test("delete names what is not there", async (t) => {
  const { ask } = await startApi(t);
  await ask("POST", "/api/v1/apply", file("v1"));
  const keys = ["VirtualService/default/reviews"];
  const wrong = await ask("POST", "/api/v1/delete", { keys: ["VirtualService/default/review"] });
  assert.equal(wrong.status, 404);
  assert.match(wrong.json.title, /reviews/);
  assert.equal((await ask("POST", "/api/v1/delete", { keys })).json.changes[0].action, "deleted");
  assert.deepEqual(
    (await ask("POST", "/api/v1/delete", { keys, ignoreMissing: true })).json.missing,
    keys,
  );
});

test("a watch gets what it missed, then each revision", async (t) => {
  const { ask, base } = await startApi(t);
  await ask("POST", "/api/v1/apply", file("v1"));
  const response = await fetch(`${base}/api/v1/watch?from=0`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  const until = async (text: string): Promise<void> => {
    while (!seen.includes(text)) seen += (await reader?.read())?.value ?? "";
  };
  await until("id: 1\nevent: revision\ndata: ");
  await ask("POST", "/api/v1/apply", file("v2"));
  await until("id: 2\n");
  await reader?.cancel();
});

test("other sites' names, forms and paths are refused", async (t) => {
  const { ask, base, port } = await startApi(t);
  const status = await new Promise((resolve) => {
    const headers = { host: "evil.example" };
    httpRequest({ port, host: "127.0.0.1", path: "/api/v1/objects", headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).end();
  });
  assert.equal(status, 403);
  const form = await fetch(`${base}/api/v1/apply`, { method: "POST", body: "{}" });
  assert.equal(form.status, 415);
  await form.text();
  assert.equal((await ask("POST", "/api/v1/nothing", {})).status, 404);
  assert.equal((await ask("POST", "/api/v1/apply", {})).status, 400);
});

test("every path is described", async (t) => {
  const { ask } = await startApi(t);
  const { json } = await ask("GET", "/openapi.json");
  assert.equal(json.openapi, "3.1.0");
  assert.ok(Object.keys(json.paths).length >= 9);
  assert.deepEqual((await ask("GET", "/api/v1/revisions/4/acknowledgement")).json.acked, ["a4"]);
});

test("what a folder has already may be applied, and what differs from it may not", async (t) => {
  const folder = new MemoryStore({ clock: systemClock });
  const { objects } = readObjects("folder/reviews.yaml", route("v1"), {});
  folder.change({ set: objects.map((object) => ({ object })), author: "a", message: "m" });
  const { ask } = await startApi(t, [folder]);
  const same = await ask("POST", "/api/v1/apply", file("v1"));
  assert.equal(same.status, 200);
  assert.deepEqual(same.json.changes, []);
  assert.deepEqual(same.json.unchanged, ["VirtualService/default/reviews"]);
  const other = await ask("POST", "/api/v1/apply", file("v2"));
  assert.equal(other.status, 409);
  assert.match(other.json.title, /reviews stands in folder\/reviews\.yaml: change it there/);
});
