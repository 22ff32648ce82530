import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  answer,
  answers,
  byHand,
  echo,
  FakeUpstream,
  response,
  type Script,
} from "./fake-upstream.ts";
import { RawClient } from "./raw-client.ts";

async function pair(t: TestContext, script: Script) {
  const upstream = await new FakeUpstream(script).listen();
  const client = await RawClient.connect({ host: "127.0.0.1", port: upstream.port });
  t.after(async () => {
    client.close();
    await upstream.close();
  });
  return { upstream, client };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: h\r\n\r\n`;

test("answers are given in turn and the bytes recorded", async (t) => {
  const { upstream, client } = await pair(t, answers(response(200, "one"), response(201, "two")));
  assert.equal((await client.exchange(get("/1"))).body, "one");
  assert.equal((await client.exchange(get("/2"))).status, 201);
  assert.equal((await client.exchange(get("/3"))).status, 201);
  assert.equal(upstream.received, get("/1") + get("/2") + get("/3"));
  assert.equal(upstream.requests.length, 3);
});

test("a client that closes between requests ends the script without a failure", async (t) => {
  const { upstream, client } = await pair(t, answer(response(200)));
  await client.exchange(get("/"));
  client.end();
  assert.equal(await client.ended(), "half-closed");
  assert.deepEqual(upstream.failures, []);
});

test("a script that fails on an open connection is reported and the connection closed", async (t) => {
  const { upstream, client } = await pair(t, async (connection) => {
    await connection.request();
    throw new Error("not what I expected");
  });
  await client.write(get("/"));
  await client.ended();
  assert.equal(upstream.failures[0]?.message, "not what I expected");
});

test("a reset is told from a close, and what is missing is said", async (t) => {
  const { upstream, client } = await pair(t, byHand());
  await client.write("half a request");
  const connection = await upstream.connection();
  await connection.readThrough("half");
  assert.equal(connection.unread, " a request");
  connection.reset();
  assert.equal(await client.ended(), "reset");
  await assert.rejects(client.response(), /no whole response: connection reset/);
});

test("echo sends every byte and the FIN", async (t) => {
  const { client } = await pair(t, echo());
  await client.write("\0\xff");
  await client.readThrough("\0\xff");
  client.end();
  assert.equal(await client.ended(), "half-closed");
});
