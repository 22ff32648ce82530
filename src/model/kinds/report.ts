/** Keys from the object's root: `["spec", "http", 0]`. */
export type Keys = readonly (string | number)[];

/** Where validation says what is wrong, with the place of it in the object. */
export class Report {
  readonly #base: Keys;
  readonly #found: Found[];

  constructor(base: Keys = [], found: Found[] = []) {
    this.#base = base;
    this.#found = found;
  }

  get found(): readonly Found[] {
    return this.#found;
  }

  /** The same report, for what stands below. */
  at(...keys: Keys): Report {
    return new Report([...this.#base, ...keys], this.#found);
  }

  problem(message: string): void {
    this.#found.push({ severity: "problem", keys: this.#base, message });
  }

  /** What a check has found, if it has found something. */
  check(message: string | undefined): void {
    if (message !== undefined) this.problem(message);
  }

  warning(message: string): void {
    this.#found.push({ severity: "warning", keys: this.#base, message });
  }
}

export interface Found {
  readonly severity: "problem" | "warning";
  readonly keys: Keys;
  readonly message: string;
}
