import { fromByteText } from "./matching/byte-text.ts";

/** Filter state with a hash, for hash policies (Envoy's `envoy.hashable_string`); to a policy, anything else is not there. */
export class HashableString {
  /** One character for each byte. */
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): string {
    return fromByteText(this.#text);
  }
}
