import { ConfigFileError } from "#config/config-file-error.ts";
import type { Clock } from "#lib/clock.ts";
import type { ResourceType } from "../resource-type.ts";
import type { Log, ResourceProblem } from "../subscriber.ts";
import type { DecodeOptions } from "./any-resource.ts";
import { ResourceStore } from "./resource-store.ts";
import { located, readTextResponse } from "./text-response.ts";
import type { TypeState } from "./type-state.ts";

export interface TextSourceServices {
  readonly type: ResourceType;
  readonly decode: DecodeOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly onUnknownFields: ((count: number) => void) | undefined;
  readonly onChange: ((type: ResourceType) => void) | undefined;
}

/** What a file and a REST server have in common: one type, whole, as text. */
export class TextStore {
  readonly store: ResourceStore;
  readonly #state: TypeState;
  readonly #services: TextSourceServices;

  constructor(services: TextSourceServices, onInterest: () => void) {
    this.#services = services;
    this.store = new ResourceStore({ ...services, onInterest });
    this.#state = this.store.stateOf(services.type);
  }

  get state(): TypeState {
    return this.#state;
  }

  /** Returns whether the text was taken whole. */
  async take(name: string, text: string): Promise<boolean> {
    const { decode, onUnknownFields } = this.#services;
    try {
      const incoming = readTextResponse(this.#state, { name, text }, decode);
      if (incoming.unknownFields > 0) onUnknownFields?.(incoming.unknownFields);
      const { problems } = await this.store.take(incoming);
      return problems.length === 0;
    } catch (error) {
      if (!(error instanceof ConfigFileError)) throw error;
      await this.#refuse(error.problems.map((problem) => ({ name: "", ...located(problem) })));
      return false;
    }
  }

  async #refuse(invalid: readonly ResourceProblem[]): Promise<void> {
    const { typeUrl } = this.#services.type;
    const nothing = { version: "", resources: [], removed: [], complete: false };
    await this.store.take({ typeUrl, ...nothing, invalid });
  }
}
