import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import type { TlsOptions } from "node:tls";
import type { Script } from "../../../testkit/fake-upstream.ts";
import type { CaseConfig } from "./config.ts";
import { CaseContext } from "./context.ts";
import { assertDocumented } from "./differences.ts";
import type { JsonObject } from "./placeholders.ts";
import { ProxyProcess } from "./proxy-process.ts";
import { type Side, type SideName, selectedSides } from "./sides.ts";

export type Run = (t: CaseContext) => Promise<void>;

/** One scenario: a configuration, what stands behind the proxy, and what must be seen on either side. */
export interface ParityCase {
  readonly name: string;
  readonly config: CaseConfig;
  /** The fake upstream `main`; `upstreams` names several. */
  readonly upstream?: Script;
  readonly upstreams?: Readonly<Record<string, Script>>;
  /** The upstreams speak TLS. */
  readonly upstreamTls?: TlsOptions;
  /** Before the proxy starts: files that the configuration names. */
  readonly prepare?: (t: CaseContext) => void;
  /** What must hold on both sides. */
  readonly run: Run;
  /** Where Heddle differs on purpose: the entry (heading) in docs/reference/differences-from-envoy.md. */
  readonly heddle?: {
    readonly difference: string;
    readonly run: Run;
    readonly config?: CaseConfig;
  };
  /** A process of the case's own, for cases that end it, need arguments, or more than listeners and clusters. */
  readonly own?: {
    readonly arguments?: readonly string[];
    /** Merged over the top of the bootstrap. */
    readonly bootstrap?: JsonObject;
    /** False: the case starts it with `t.command()` or `t.start()`. */
    readonly start?: boolean;
  };
}

export interface AreaOptions {
  /** Merged over the top of the bootstrap that all cases share. */
  readonly bootstrap?: JsonObject;
  readonly concurrency?: number;
}

/**
 * Runs an area's cases against each side. Cases share one process per side, which costs its start once; they are
 * kept apart by their own listeners, clusters, upstreams and stat prefixes, so they run at the same time.
 */
export function parityArea(
  area: string,
  cases: readonly ParityCase[],
  { bootstrap = {}, concurrency = 8 }: AreaOptions = {},
): void {
  const twice = cases.find(
    ({ name }, index) => cases.findIndex((other) => other.name === name) !== index,
  );
  assert.equal(twice, undefined, "case names must be unique");
  for (const side of selectedSides()) {
    describe(`${area} on ${side.name}`, { concurrency }, () =>
      runSide({ side, area, cases, bootstrap }),
    );
  }
}

interface SideRun {
  readonly side: Side;
  readonly area: string;
  readonly cases: readonly ParityCase[];
  readonly bootstrap: JsonObject;
}

function runSide({ side, area, cases, bootstrap }: SideRun): void {
  const folder = mkdtempSync(join(tmpdir(), `parity-${area}-${side.name}-`));
  const contexts = cases.map((it, index) => {
    const id = `c${String(index).padStart(2, "0")}`;
    mkdirSync(join(folder, id));
    return new CaseContext({
      id,
      side,
      folder: join(folder, id),
      case: forSide(it, side.name),
      bootstrap,
    });
  });
  const sharing = contexts.filter((context) => context.case.own === undefined);
  let shared: ProxyProcess | undefined;

  before(async () => {
    await Promise.all(contexts.map((context) => context.open()));
    shared = await startShared(side, folder, sharing, bootstrap);
  });
  after(async () => {
    await shared?.stop();
    await Promise.all(contexts.map((context) => context.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  for (const context of contexts) {
    test(context.case.name, { timeout: 60_000 }, (t) => runCase(t, context, shared));
  }
}

async function startShared(
  side: Side,
  folder: string,
  contexts: readonly CaseContext[],
  bootstrap: JsonObject,
): Promise<ProxyProcess | undefined> {
  if (contexts.length === 0) return undefined;
  try {
    return await ProxyProcess.start({ side, folder, bootstrap: merge(contexts, bootstrap) });
  } catch {
    // One configuration was refused and took the others with it: each case starts alone and says for itself.
    return undefined;
  }
}

async function runCase(
  t: TestContext,
  context: CaseContext,
  shared: ProxyProcess | undefined,
): Promise<void> {
  const { own, run, heddle } = context.case;
  try {
    if (context.side === "heddle" && heddle !== undefined) assertDocumented(heddle.difference);
    if (own === undefined && shared?.running === true) context.proxy = shared;
    else if (own?.start !== false) await context.start();
    await run(context);
    context.assertUpstreamsContent();
  } catch (error) {
    t.diagnostic(context.describe());
    throw error;
  } finally {
    await context.disconnect();
  }
}

function forSide(it: ParityCase, side: SideName): ParityCase {
  if (side === "envoy" || it.heddle === undefined) return it;
  return { ...it, run: it.heddle.run, config: it.heddle.config ?? it.config };
}

function merge(contexts: readonly CaseContext[], bootstrap: JsonObject): JsonObject {
  const resources = contexts.map((context) => context.staticResources());
  return CaseContext.bootstrap(
    {
      listeners: resources.flatMap(({ listeners }) => listeners),
      clusters: resources.flatMap(({ clusters }) => clusters),
      secrets: resources.flatMap(({ secrets }) => secrets),
    },
    bootstrap,
  );
}
