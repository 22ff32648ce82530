import type { ChangeProblem, ConfigChange, ConfigStep } from "../worker-protocol.ts";

/** All workers as whoever changes their configuration sees them. */
export interface WorkerControl {
  /** They run in threads of their own. */
  readonly threads: boolean;
  /** The first worker says which of them are wrong; the others are given what it took. */
  change(changes: readonly ConfigChange[]): Promise<readonly ChangeProblem[]>;
  step(step: ConfigStep): void;
  /** Returns why it cannot listen, or undefined. */
  activateListener(name: string): Promise<string | undefined>;
  removeListener(name: string): void;
}
