import type { Clock } from "#lib/clock.ts";
import type { Problem } from "#lib/config-error.ts";
import type { ChangeProblem } from "../worker-protocol.ts";

export interface Versioned<C> {
  readonly version: string;
  readonly config: C;
  readonly updatedMs: number;
}

export interface Refused<C> extends Versioned<C> {
  readonly message: string;
}

/** What /config_dump shows of one name. */
export interface StatusEntry<C> {
  readonly name: string;
  readonly active?: Versioned<C> | undefined;
  readonly warming?: Versioned<C> | undefined;
  readonly refused?: Refused<C> | undefined;
}

/** Resources of one type as the operator sees them: in use, on their way, refused. */
export class DynamicStatus<C> {
  versionInfo = "";
  readonly #clock: Clock;
  readonly #entries: Map<string, StatusEntry<C>> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get entries(): readonly StatusEntry<C>[] {
    return [...this.#entries.values()];
  }

  warming(name: string, from: Omit<Versioned<C>, "updatedMs">): void {
    const warming = { ...from, updatedMs: this.#clock.wallMs() };
    this.#entries.set(name, { name, active: this.#entries.get(name)?.active, warming });
  }

  active(name: string): void {
    const entry = this.#entries.get(name);
    if (entry?.warming !== undefined) this.#entries.set(name, { name, active: entry.warming });
  }

  refused(name: string, from: Omit<Refused<C>, "updatedMs">): void {
    const refused = { ...from, updatedMs: this.#clock.wallMs() };
    this.#entries.set(name, { ...this.#entries.get(name), name, refused });
  }

  /** It was taken, and cannot be put in use. */
  failed(name: string, from: Omit<Refused<C>, "updatedMs">): void {
    const refused = { ...from, updatedMs: this.#clock.wallMs() };
    this.#entries.set(name, { name, active: this.#entries.get(name)?.active, refused });
  }

  /** It came again as it is: nothing is wrong with it any more. */
  same(name: string): void {
    const entry = this.#entries.get(name);
    if (entry?.refused === undefined) return;
    this.#entries.set(name, { ...entry, refused: undefined });
  }

  remove(name: string): void {
    this.#entries.delete(name);
  }
}

/** What is wrong with each change that was refused, by its place among them. */
export function refusedBy(refused: readonly ChangeProblem[]): ReadonlyMap<number, string> {
  return new Map(refused.map(({ index, problems }) => [index, messageOf(problems)]));
}

export function messageOf(problems: readonly Problem[]): string {
  return problems
    .map(({ path, message }) => (path === "" ? message : `${path}: ${message}`))
    .join("; ");
}
