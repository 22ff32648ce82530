import type { MeshState } from "../state/mesh-state.ts";

/** What an update was about, in Istio's words (`pilot_push_triggers`). */
export type PushReason = "config" | "endpoint" | "global" | "proxy" | "secret" | "service";

export interface MeshChange {
  readonly reason: PushReason;
}

/** The state of the mesh while it changes. */
export interface LiveMesh {
  /** As it is now. Immutable; parts that have not changed are the same objects in the next one. */
  state(): MeshState;
  /** False: the stores have not been read yet, and no proxy may be told that nothing exists. */
  readonly synced: boolean;
  subscribe(onChange: (change: MeshChange) => void): () => void;
}
