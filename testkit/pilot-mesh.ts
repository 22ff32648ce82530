import assert from "node:assert/strict";
import { readObjects } from "#model/documents.ts";
import type { ConfigObject } from "#model/object.ts";
import type { LiveMesh, MeshChange } from "#pilot/push/live-mesh.ts";
import { type MeshState, meshState } from "#pilot/state/mesh-state.ts";

/** A mesh that is whatever a text of YAML says. */
export class TextMesh implements LiveMesh {
  synced = true;
  /** The state cannot be worked out. */
  broken = false;
  objects: readonly ConfigObject[] = [];
  #state: MeshState | undefined;
  readonly #listeners: Set<(change: MeshChange) => void> = new Set();

  constructor(text: string) {
    this.set(text);
  }

  state(): MeshState {
    if (this.broken) throw new Error("no state");
    this.#state ??= meshState({ objects: this.objects });
    return this.#state;
  }

  set(text: string): void {
    const { objects, problems } = readObjects("mesh.yaml", text);
    assert.deepEqual(problems, []);
    this.objects = objects;
    this.#state = undefined;
    for (const listener of this.#listeners) listener({ reason: "config" });
  }

  subscribe(onChange: (change: MeshChange) => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }
}
