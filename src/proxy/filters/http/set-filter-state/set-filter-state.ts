import { type StateValue, setStreamState } from "../../../filter-state/set-values.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";

/** Filter state as configured: that of the chain, then that of each level of the route, the most specific last. */
export class SetFilterState implements HttpFilter {
  readonly #filterName: string;
  readonly #values: readonly StateValue[];

  constructor(filterName: string, values: readonly StateValue[]) {
    this.#filterName = filterName;
    this.#values = values;
  }

  onRequestHead(stream: HttpStream): Verdict {
    setStreamState(this.#values, stream.info);
    if (stream.route?.hasFilterConfigs === true)
      for (const values of stream.routeConfigs<readonly StateValue[]>(this.#filterName))
        setStreamState(values, stream.info);
    return "continue";
  }
}
