import { type StateValue, setConnectionState } from "../../../filter-state/set-values.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { NetworkFilter, NetworkVerdict } from "../filter.ts";

/** Filter state of a new connection, for the filters behind this one and for its requests. */
export class SetFilterState implements NetworkFilter {
  readonly #values: readonly StateValue[];
  readonly #info: StreamInfo;

  constructor(values: readonly StateValue[], info: StreamInfo) {
    this.#values = values;
    this.#info = info;
  }

  onConnect(): NetworkVerdict {
    setConnectionState(this.#values, this.#info);
    return "continue";
  }

  onData(): NetworkVerdict {
    return "continue";
  }
}
