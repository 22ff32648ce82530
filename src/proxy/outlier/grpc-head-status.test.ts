import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { RequestHead, ResponseHead } from "#http/message.ts";
import { grpcHeadStatus } from "./grpc-head-status.ts";

function reported(type: string, grpcStatus: string): number | undefined {
  const request = new RequestHead("POST", "/", "a", 20, HeaderList.of({ "content-type": type }));
  const response = new ResponseHead(200);
  response.headers.set("grpc-status", grpcStatus);
  return grpcHeadStatus(request, response);
}

test("a gRPC status in the head counts as an HTTP status", () => {
  const statuses = Array.from({ length: 17 }, (_, code) => reported("application/grpc", `${code}`));
  const expected = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503];
  assert.deepEqual(statuses, [...expected, 500, 401]);
  assert.equal(reported("application/grpc+proto", "14"), 503);
});

test("a status that is none is an error; of another request it is only a header", () => {
  assert.equal(reported("application/grpc", "x"), 500);
  assert.equal(reported("application/grpc", "99"), 500);
  assert.equal(reported("text/plain", "14"), undefined);
});
