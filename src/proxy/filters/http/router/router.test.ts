import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestHead } from "#http/message.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";
import { Router, type RouterSettings } from "./router.ts";
import { type AttemptTarget, UpstreamRequest } from "./upstream-request.ts";

test("an upstream that fills up after the answer does not stop the client", () => {
  let pauses = 0;
  const stream = {
    route: undefined,
    reply: () => undefined,
    pauseRequest: () => pauses++,
    unpauseRequest: () => pauses--,
  };
  const counter = { inc: () => undefined };
  // Proof: a request without a route is all that happens here, and these are what it and its end touch.
  const router = new Router(
    { requests: counter, noRoute: counter } as unknown as RouterSettings,
    stream as unknown as ActiveStream,
  );
  router.onRequestHead(
    stream as unknown as ActiveStream,
    new RequestHead("GET", "/", "a", 11),
    false,
  );
  router.onDone();
  // Its upstream stream is let go only after the event that ended the response.
  const target = {} as unknown as AttemptTarget;
  const attempt = new UpstreamRequest(router, stream as unknown as ActiveStream, target);
  attempt.complete();
  attempt.onUnwritable();
  assert.equal(pauses, 0);
});
