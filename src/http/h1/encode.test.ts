import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderList } from "../headers.ts";
import { RequestHead, ResponseHead } from "../message.ts";
import {
  appendFields,
  properCase,
  reasonPhrase,
  requestFraming,
  responseFraming,
  statusLine,
} from "./encode.ts";

describe("encode", () => {
  it("writes a status line with the standard phrase, or Unknown", () => {
    assert.equal(statusLine(200, false), "HTTP/1.1 200 OK\r\n");
    assert.equal(statusLine(200, true), "HTTP/1.0 200 OK\r\n");
    assert.equal(statusLine(418, false), "HTTP/1.1 418 Unknown\r\n");
    assert.equal(statusLine(799, true), "HTTP/1.0 799 Unknown\r\n");
    assert.equal(reasonPhrase(503), "Service Unavailable");
  });

  it("writes fields in order, in either spelling", () => {
    const headers = new HeaderList(["x-a_b-c", "1", "host2", "", "x-a_b-c", "2"]);
    assert.equal(appendFields(">", headers, "lower"), ">x-a_b-c: 1\r\nhost2: \r\nx-a_b-c: 2\r\n");
    assert.equal(appendFields("", headers, "proper"), "X-A_B-C: 1\r\nHost2: \r\nX-A_B-C: 2\r\n");
    assert.equal(properCase("x-request-id"), "X-Request-Id");
    assert.equal(properCase("1a-b"), "1a-B");
  });

  it("frames a request by its length, else by chunks, and not at all without a body", () => {
    const framing = (
      headers: Record<string, string>,
      end: boolean,
      upgrade?: string,
      method = "POST",
    ) => {
      const head = new RequestHead(method, "/", "h", 11, HeaderList.of(headers));
      head.upgrade = upgrade;
      return requestFraming(head, end);
    };
    assert.equal(framing({ "content-length": "5" }, false), "length");
    assert.equal(framing({}, false), "chunked");
    assert.equal(framing({}, true), "none");
    assert.equal(framing({}, false, "websocket"), "tunnel");
    assert.equal(framing({}, false, undefined, "CONNECT"), "tunnel");
  });

  it("frames a response as its status, its request and the client's version allow", () => {
    const framing = (
      status: number,
      length: boolean,
      options: { end?: boolean; toHead?: boolean; to10?: boolean } = {},
    ) => {
      const head = new ResponseHead(status, HeaderList.of(length ? { "content-length": "5" } : {}));
      return responseFraming(
        head,
        options.end ?? false,
        options.toHead ?? false,
        options.to10 ?? false,
      );
    };
    assert.equal(framing(200, true), "length");
    assert.equal(framing(200, false), "chunked");
    assert.equal(framing(200, false, { to10: true }), "until-close");
    assert.equal(framing(200, true, { toHead: true }), "none");
    assert.equal(framing(200, false, { end: true }), "none");
    for (const status of [100, 204, 304]) assert.equal(framing(status, true), "none");
  });
});
