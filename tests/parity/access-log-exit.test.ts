import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, http, route } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { get } from "./harness/context.ts";

/** The lines of the last milliseconds, which no timer has flushed, are written at the end. */
function exitCase(name: string, end: (t: CaseContext) => Promise<unknown>): ParityCase {
  return {
    name,
    config: http({ logFormat: "%REQ(:path)%", routes: [route({ prefix: "/" }, direct("a"))] }),
    own: {},
    run: async (t) => {
      const client = await t.connect();
      const paths = Array.from({ length: 50 }, (_, index) => `/${index}`);
      for (const path of paths) await client.exchange(get(path));
      client.end();
      await end(t);
      await t.proxy.exited;
      // The last response may be read before it is logged; the one before it was logged when the last request was read.
      const logged = readFileSync(t.fill("{log}"), "utf8").trim().split("\n");
      assert.deepEqual(logged.slice(0, 49), paths.slice(0, 49));
    },
  };
}

parityArea("access-log-exit", [
  exitCase("no line is lost on SIGTERM", async (t) => t.proxy.child.kill("SIGTERM")),
  exitCase("no line is lost on /quitquitquit", (t) => t.admin("/quitquitquit", "POST")),
]);
