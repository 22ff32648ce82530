import assert from "node:assert/strict";
import { type Message, readMessage } from "../../../testkit/http-text.ts";
import type { RawClient } from "../../../testkit/raw-client.ts";
import { type CaseContext, get } from "../harness/context.ts";
import type { Input } from "./input.ts";

/**
 * Sends the input, then a plain request that asks for the close, and tells what happened: the status of every
 * response, then the path of every request that the upstream saw. `400` is a refusal, `200 200 /first /last` one request forwarded
 * with the connection still in step behind it. A smuggled request would stand between the two.
 */
export async function outcome(t: CaseContext, input: Input): Promise<string> {
  const client = await t.connect();
  await client.write(input.bytes);
  if (input.half === true) client.end();
  const statuses: number[] = input.half === true ? [] : [(await client.response()).status];
  // A refusal closes; anything else must leave the connection in step, which `/last` shows.
  if (input.half !== true) await client.write(get("/last", "connection: close"));
  statuses.push(...(await remaining(client)));
  const seen = t.upstream().requests;
  for (const request of seen) assertWellFramed(request);
  const left = t
    .upstream()
    .connections.map(({ unread }) => unread)
    .join("");
  if (statuses[0] === 200)
    assert.equal(left, "", "bytes that belong to no request reached the upstream");
  const paths = seen.map((request) => request.startLine.split(" ")[1] ?? "");
  return [...statuses, ...paths].join(" ") || "nothing";
}

/** Statuses until the peer closes. */
async function remaining(client: RawClient): Promise<readonly number[]> {
  await client.ended();
  const statuses: number[] = [];
  for (;;) {
    const message = readMessage(client.unread, { kind: "response", ended: true });
    if (message === undefined) return statuses;
    client.consume(message.raw.length);
    statuses.push(Number(message.startLine.split(" ")[1]));
  }
}

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const requestLine = new RegExp(`^${token} [\\x21-\\x7e\\x80-\\xff]+ HTTP/1\\.1$`);
const fieldName = new RegExp(`^${token}$`);

/** What any strict server would agree on: RFC 9112 §3, §5, §6 and §7.1 without any leniency. */
function assertWellFramed(request: Message): void {
  assert.match(request.startLine, requestLine);
  for (const [name, value] of request.fields) {
    assert.match(name, fieldName);
    assert.match(value, /^[\t\x20-\x7e\x80-\xff]*$/, `value of ${name}`);
  }
  const values = (name: string) =>
    request.fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
  assert.equal(values("host").length, 1, "one Host");
  const lengths = values("content-length");
  const encodings = values("transfer-encoding");
  assert.ok(
    lengths.length + encodings.length <= 1,
    `lengths ${lengths} and encodings ${encodings}`,
  );
  for (const length of lengths) assert.match(length, /^\d+$/);
  for (const encoding of encodings) assert.equal(encoding.toLowerCase(), "chunked");
  if (request.framing === "chunked") {
    const bodyStart = request.raw.indexOf("\r\n\r\n") + 4;
    assert.match(request.raw.slice(bodyStart), /^([1-9a-f][0-9a-f]*\r\n[\s\S]*?\r\n)*0\r\n/i);
  }
}

/**
 * Lets the upstream answer the first request with the input and every later one properly. Tells what the client got for
 * the first, `cut` when the connection ended in mid-message, and whether the second used the same upstream connection.
 */
export async function responseOutcome(t: CaseContext): Promise<string> {
  const client = await t.connect();
  await client.write(get("/first"));
  const first = await client.response().then(
    ({ status, body }) => `${status} ${status === 200 ? body : "-"}`,
    () => "cut",
  );
  const second = await t.get("/last");
  assert.equal(second.status, 200);
  assert.equal(second.body, "last", "the second client got bytes of the first response");
  return `${first} ${t.upstream().connections.length === 1 ? "kept" : "new"}`;
}
