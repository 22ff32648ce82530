import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import type { ResponseHead } from "#http/message.ts";
import type { HttpFilter, HttpStream } from "../../http/filter.ts";
import { FilterPassage } from "./filter-passage.ts";

/** A response's way, without a codec. */
class Passage extends FilterPassage {
  readonly bufferLimit = 4;
  protected readonly requestBufferLimit = 4;
  protected readonly requestClosed = false;
  protected readonly over = false;
  readonly sent: number[] = [];
  readonly told: string[] = [];

  constructor(filters: readonly HttpFilter[]) {
    super();
    this.filters = filters;
    this.producer = {
      onDownstreamUnwritable: () => this.told.push("stop"),
      onDownstreamWritable: () => this.told.push("go"),
    };
  }

  data(size: number): void {
    this.passResponseData(new Uint8Array(size), false);
  }

  trailers(): void {
    this.passResponseTrailers(new HeaderList());
  }

  protected get stream(): HttpStream {
    // The filters of these tests look at nothing of it.
    return this as unknown as HttpStream;
  }

  onTimer(): void {}
  pauseRequest(): void {}
  unpauseRequest(): void {}
  protected onRequestTooLarge(): void {}
  protected onResponseTooLarge(): void {}
  protected sendHead(_head: ResponseHead): void {}
  protected sendBody(chunk: Uint8Array): void {
    this.sent.push(chunk.length);
  }
  protected sendTrailers(_trailers: HeaderList): void {}
}

/** Parks once, at the first data. */
function parking(): Passage {
  let parked = false;
  const filter: HttpFilter = {
    onResponseData: () => {
      if (parked) return "continue";
      parked = true;
      return "park";
    },
  };
  return new Passage([filter]);
}

test("a parked response stops its producer at the buffer limit, and lets it go on", () => {
  const passage = parking();
  passage.data(4);
  assert.deepEqual(passage.told, []);
  passage.data(1);
  passage.data(1);
  assert.deepEqual(passage.told, ["stop"]);
  passage.resumeResponse();
  assert.deepEqual(
    [passage.told, passage.sent],
    [
      ["stop", "go"],
      [4, 1, 1],
    ],
  );
});

test("a client that takes more does not let a parked response go on", () => {
  const passage = parking();
  passage.onUnwritable();
  passage.data(5);
  passage.onWritable();
  assert.deepEqual([passage.told, passage.responseStopped], [["stop"], true]);
  passage.resumeResponse();
  assert.deepEqual([passage.told, passage.responseStopped], [["stop", "go"], false]);
});

test("a filter that resumes does not let the response of a slow client go on", () => {
  const passage = parking();
  passage.data(5);
  passage.onUnwritable();
  passage.resumeResponse();
  assert.deepEqual([passage.told, passage.responseStopped], [["stop"], true]);
  passage.onWritable();
  passage.onWritable();
  assert.deepEqual(passage.told, ["stop", "go"]);
});

test("what a filter sends passes only those after it, before the trailers that follow", () => {
  const log: string[] = [];
  const seen = (name: string): HttpFilter => ({
    onResponseData: (_stream, chunk) => {
      log.push(`${name} ${chunk.length}`);
      return "continue";
    },
    onResponseTrailers: () => {
      log.push(`${name} trailers`);
      return "continue";
    },
  });
  const sender: HttpFilter = {
    onResponseData: () => "consume",
    onResponseTrailers: () => {
      passage.injectResponseData(sender, new Uint8Array(3), false);
      return "continue";
    },
  };
  const passage = new Passage([seen("after"), sender, seen("before")]);
  passage.data(2);
  passage.trailers();
  assert.deepEqual(log, ["before 2", "before trailers", "after 3", "after trailers"]);
  assert.deepEqual(passage.sent, [3]);
});

test("a response that filters pause flows again when none does", () => {
  const passage = new Passage([]);
  passage.pauseResponse();
  passage.pauseResponse();
  passage.onUnwritable();
  passage.unpauseResponse();
  passage.onWritable();
  assert.deepEqual(passage.told, ["stop"]);
  passage.unpauseResponse();
  assert.deepEqual(passage.told, ["stop", "go"]);
});

test("what a filter lets go later passes only the filters behind it, and waits where one parked", () => {
  const seen: string[] = [];
  let parked = true;
  const outer: HttpFilter = {
    onResponseData: (_stream, chunk) => {
      seen.push(`outer ${chunk.length}`);
      return parked ? "park" : "continue";
    },
  };
  const consuming: HttpFilter = {
    onResponseData: (_stream, chunk) => {
      seen.push(`consuming ${chunk.length}`);
      return "consume";
    },
  };
  const passage = new Passage([outer, consuming]);
  passage.data(3);
  assert.deepEqual(seen, ["consuming 3"]);
  passage.injectResponseData(consuming, new Uint8Array(2), false);
  passage.injectResponseData(consuming, new Uint8Array(1), false);
  assert.deepEqual([seen, passage.sent], [["consuming 3", "outer 2"], []]);
  parked = false;
  passage.resumeResponse();
  assert.deepEqual(passage.sent, [2, 1]);
});

test("filters that hold a response back do so until the last of them lets go", () => {
  const passage = new Passage([]);
  passage.pauseResponse();
  passage.pauseResponse();
  passage.onUnwritable();
  passage.unpauseResponse();
  passage.onWritable();
  assert.deepEqual(passage.told, ["stop"]);
  passage.unpauseResponse();
  assert.deepEqual([passage.told, passage.responseStopped], [["stop", "go"], false]);
});
