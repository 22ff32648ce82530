import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { answer, response } from "../../../testkit/fake-upstream.ts";
import { normalise } from "../../../testkit/http-text.ts";
import type { ParityCase } from "./area.ts";
import { http, type JsonObject } from "./config.ts";
import type { CaseContext } from "./context.ts";

/**
 * The header lines that the upstream got for the last request, in order and without the request line, Host and the router's own timeout: what the
 * connection manager made of the client's.
 */
export function forwarded(t: CaseContext, upstream = "main"): readonly string[] {
  const raw = t.upstream(upstream).requests.at(-1)?.raw ?? "";
  const head = normalise(raw.slice(0, raw.indexOf("\r\n\r\n") + 2));
  return head
    .split("\r\n")
    .slice(1, -1)
    .filter((line) => !/^(host|x-envoy-expected-rq-timeout-ms):/i.test(line));
}

/** The request line that the upstream got last. */
export function forwardedLine(t: CaseContext): string {
  return t.upstream().requests.at(-1)?.startLine ?? "";
}

/** One response header line per field, in wire order, with what differs from run to run replaced. */
export function headerLines(raw: string): readonly string[] {
  return normalise(raw.slice(0, raw.indexOf("\r\n\r\n") + 2))
    .split("\r\n")
    .slice(1, -1);
}

/** A loopback client is known upstream by the machine's own address. */
export const own: string | undefined = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.internal === false && address.family === "IPv4")?.address;

const remoteLog = {
  logFormat:
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
};

export interface Exchange {
  readonly name: string;
  readonly manager: JsonObject;
  readonly sent: readonly string[];
  /** Lines behind Host that the upstream must see. */
  readonly seen: readonly string[];
  readonly remote?: string;
}

/** One request: what the client sends, and what the upstream gets. */
export const exchange = ({ name, manager, sent, seen, remote }: Exchange): ParityCase => ({
  name,
  config: http({ manager, ...remoteLog }),
  upstream: answer(response(200, "ok")),
  run: async (t) => {
    assert.equal((await t.get("/", ...sent)).status, 200);
    assert.deepEqual(forwarded(t), seen);
    if (remote !== undefined) assert.equal(await t.logLine(), `${remote} 127.0.0.1`);
  },
});
