/** What every source of endpoints does, whatever it asks. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type {
  EndpointSource,
  FoundEndpoint,
  Lookup,
  SourceServices,
} from "#pilot/registries/endpoint-source.ts";
import { FakeClock } from "./fake-clock.ts";

/** Something that a source asks, in the test's hands. */
export interface AskedWorld {
  /** What stands after the annotation's colon. */
  readonly rest: string;
  readonly lookup?: Lookup;
  /** From now on these are there. */
  set(targets: readonly { readonly address: string; readonly port: number }[]): void;
  /** From now on asking fails. */
  fail(): void;
  close(): void;
}

const noLookup: Lookup = {
  addresses: () => Promise.reject(new Error("is not asked")),
  services: () => Promise.reject(new Error("is not asked")),
};

/** Everything that was promised has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function describeEndpointSource(source: EndpointSource, open: () => AskedWorld): void {
  describe(`endpoints from ${source.scheme}:`, () => {
    const run = async (body: (world: AskedWorld, heard: Heard) => Promise<void>): Promise<void> => {
      const world = open();
      const heard = new Heard();
      try {
        await body(world, heard);
      } finally {
        heard.stop?.();
        world.close();
      }
    };

    test("what is there is found at once, and what comes later", () =>
      run(async (world, heard) => {
        world.set([{ address: "10.0.0.1", port: 81 }]);
        await heard.start(source, world);
        assert.deepEqual(heard.addresses, ["10.0.0.1"]);
        world.set([
          { address: "10.0.0.2", port: 81 },
          { address: "10.0.0.3", port: 81 },
        ]);
        await heard.later();
        assert.deepEqual(heard.addresses, ["10.0.0.2", "10.0.0.3"]);
        world.set([]);
        await heard.later();
        assert.deepEqual(heard.addresses, []);
      }));

    test("a failure is told, and what was found before still counts", () =>
      run(async (world, heard) => {
        world.set([{ address: "10.0.0.1", port: 81 }]);
        await heard.start(source, world);
        world.fail();
        await heard.later();
        assert.notEqual(heard.problem, undefined);
        assert.deepEqual(heard.addresses, ["10.0.0.1"]);
        world.set([{ address: "10.0.0.4", port: 81 }]);
        await heard.later();
        assert.equal(heard.problem, undefined);
        assert.deepEqual(heard.addresses, ["10.0.0.4"]);
      }));

    test("after it is stopped it asks nothing and tells nothing", () =>
      run(async (world, heard) => {
        world.set([{ address: "10.0.0.1", port: 81 }]);
        await heard.start(source, world);
        heard.stop?.();
        world.set([]);
        await heard.later();
        assert.deepEqual(heard.addresses, ["10.0.0.1"]);
        assert.equal(heard.clock.waiting, 0);
      }));
  });
}

class Heard {
  readonly clock: FakeClock = new FakeClock();
  found: readonly FoundEndpoint[] = [];
  problem: string | undefined;
  stop: (() => void) | undefined;

  get addresses(): readonly string[] {
    return this.found.map(({ address }) => address);
  }

  async start(source: EndpointSource, world: AskedWorld): Promise<void> {
    const services: SourceServices = { clock: this.clock, lookup: world.lookup ?? noLookup };
    this.stop = source.start(
      world.rest,
      {
        found: (endpoints) => {
          this.found = endpoints;
        },
        problem: (message) => {
          this.problem = message;
        },
      },
      services,
    );
    await settled();
  }

  /** Longer than any source waits. */
  async later(): Promise<void> {
    this.clock.advance(300_000);
    await settled();
  }
}
