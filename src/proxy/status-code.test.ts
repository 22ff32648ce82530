import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusCode } from "#gen/envoy/type/v3/http_status_pb.js";
import { statusOfName } from "./status-code.ts";

test("every name of envoy.type.v3.StatusCode has its number", () => {
  const names = Object.keys(StatusCode).filter((name) => !/^\d+$/.test(name));
  assert.ok(names.length > 50);
  for (const name of names)
    assert.equal(statusOfName(name), StatusCode[name as keyof typeof StatusCode], name);
});
