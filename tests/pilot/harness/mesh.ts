/** A Pilot whose objects a test sets, over real xDS. */
import assert from "node:assert/strict";
import { GrpcServer } from "#grpc/server.ts";
import { systemClock } from "#lib/clock.ts";
import { systemRandom } from "#lib/random.ts";
import type { ConfigObject } from "#model/object.ts";
import { ipAddress } from "#net/address.ts";
import { Pilot } from "#pilot/discovery.ts";
import type { LiveMesh, MeshChange } from "../../../src/pilot/push/live-mesh.ts";
import { type MeshState, meshState } from "../../../src/pilot/state/mesh-state.ts";

class SetMesh implements LiveMesh {
  readonly synced = true;
  readonly #listeners = new Set<(change: MeshChange) => void>();
  #state: MeshState = meshState({ objects: [] });

  state(): MeshState {
    return this.#state;
  }

  set(objects: readonly ConfigObject[]): void {
    this.#state = meshState({ objects });
    for (const listener of this.#listeners) listener({ reason: "config" });
  }

  subscribe(onChange: (change: MeshChange) => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }
}

/** A busy machine is slow, a proxy that does not answer is broken. */
const acknowledgedWithinMs = 60_000;

export class TestPilot {
  readonly #mesh = new SetMesh();
  readonly #pilot: Pilot;
  readonly #grpc: GrpcServer;
  /** Its own mistakes. */
  readonly log: string[] = [];
  #port = 0;

  constructor() {
    this.#pilot = new Pilot({
      clock: systemClock,
      mesh: this.#mesh,
      objects: () => [],
      version: "test",
      defer: (work) => setImmediate(work),
      log: (level, message) => {
        if (level === "error") this.log.push(`${level}: ${message}`);
      },
      debounceAfterMs: 1,
    });
    this.#grpc = new GrpcServer({ clock: systemClock, random: systemRandom });
    this.#pilot.register(this.#grpc);
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    this.#pilot.start();
    ({ port: this.#port } = await this.#grpc.listen(ipAddress("127.0.0.1", 0)));
  }

  async stop(): Promise<void> {
    this.#pilot.stop();
    await this.#grpc.close();
  }

  /** Resolves when every proxy has what the objects make. One that refuses something fails the test. */
  async apply(objects: readonly ConfigObject[]): Promise<void> {
    this.log.length = 0;
    this.#mesh.set(objects);
    await this.settled();
  }

  /** Resolves when no proxy has anything to acknowledge. */
  async settled(): Promise<void> {
    const { refused, pending } = await this.#pilot.acknowledged(
      this.#pilot.revision,
      acknowledgedWithinMs,
    );
    assert.deepEqual({ refused, pending, log: this.log }, { refused: [], pending: [], log: [] });
  }
}
