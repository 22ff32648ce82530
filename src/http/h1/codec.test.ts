import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { RequestHead } from "#http/message.ts";
import {
  lenient,
  runClient,
  runServer,
  strictClient,
  strictServer,
} from "../../../testkit/http1/codec-log.ts";

interface Case {
  readonly name: string;
  /** `key=value` words of the line below the heading: options of the run. */
  readonly options: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
  readonly log: string;
}

const cutsMax = 600;

function readCases(file: string): readonly Case[] {
  const text = readFileSync(new URL(`testdata/${file}`, import.meta.url), "utf8");
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const name = section.slice(0, section.indexOf("\n"));
      const wire = /```http\n([\s\S]*?)```/.exec(section)?.[1];
      const log = /```log\n([\s\S]*?)\n?```/.exec(section)?.[1];
      if (wire === undefined || log === undefined)
        throw new Error(`${file}: ${name}: a block is missing`);
      const options = [...section.slice(0, section.indexOf("```")).matchAll(/`(\w+)=([^`]*)`/g)];
      return {
        name,
        options: Object.fromEntries(options.map(([, key, value]) => [key, value])),
        bytes: wireBytes(wire),
        log,
      };
    });
}

function wireBytes(block: string): Uint8Array {
  const joined = block.replace(/\\\n/g, "").replace(/\n/g, "\r\n");
  const text = joined
    .replace(/\{(\d+)\*([^}]+)\}/g, (_, count: string, what: string) => what.repeat(Number(count)))
    .replace(/\\(?:r|n|t|0|x([0-9a-f]{2}))/g, (written, hex: string | undefined) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      return { "\\r": "\r", "\\n": "\n", "\\t": "\t" }[written] ?? "\0";
    });
  return Buffer.from(text, "latin1");
}

/** Whole, byte by byte, and in two at every offset. */
function* cuts(bytes: Uint8Array): Generator<readonly Uint8Array[]> {
  yield [bytes];
  yield Array.from(bytes, (byte) => Uint8Array.of(byte));
  const step = Math.max(1, Math.floor(bytes.length / cutsMax));
  for (let at = 1; at < bytes.length; at += step) yield [bytes.subarray(0, at), bytes.subarray(at)];
}

for (const file of ["requests.md", "request-refusals.md", "lenient.md"]) {
  describe(`server: ${file}`, () => {
    for (const { name, options, bytes, log } of readCases(file)) {
      it(name, async () => {
        const {
          lenient: lax = "",
          trailers = "true",
          max = "8192",
          url = "true",
          secure = "false",
        } = options;
        const settings = {
          ...strictServer,
          lenient: lax === "" ? undefined : lenient(lax.split(" ")),
          enableTrailers: trailers === "true",
          headBytesMax: Number(max),
          allowAbsoluteUrl: url === "true",
          secure: secure === "true",
        };
        for (const pieces of cuts(bytes)) {
          const run = await runServer(pieces, settings);
          assert.equal(
            run.log,
            log,
            `in pieces of ${pieces
              .map((piece) => piece.length)
              .join(" ")
              .slice(0, 40)}`,
          );
          assert.equal(run.paused, 0, "the connection is left paused");
        }
      });
    }
  });
}

describe("client: responses.md", () => {
  for (const { name, options, bytes, log } of readCases("responses.md")) {
    it(name, () => {
      const { lenient: lax = "", method = "GET", upgrade, close = "false" } = options;
      const settings = {
        ...strictClient,
        lenient: lax === "" ? undefined : lenient(lax.split(" ")),
      };
      for (const pieces of cuts(bytes)) {
        const request = new RequestHead(method, "/", "host.test", 11);
        request.upgrade = upgrade;
        assert.equal(
          runClient(pieces, request, settings, close === "true"),
          log,
          `in pieces of ${pieces
            .map((piece) => piece.length)
            .join(" ")
            .slice(0, 40)}`,
        );
      }
    });
  }
});
