import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { FieldMutation } from "../../../field-mutations.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";
import type { PathMutation } from "./query-mutations.ts";

/** One level's mutations. */
export interface Mutations {
  readonly request: readonly FieldMutation[];
  readonly query: PathMutation | undefined;
  readonly requestTrailers: readonly FieldMutation[];
  readonly response: readonly FieldMutation[];
  readonly responseTrailers: readonly FieldMutation[];
}

export interface HeaderMutationSettings {
  readonly filterName: string;
  readonly mutations: Mutations;
  readonly mostSpecificWins: boolean;
}

const none: readonly Mutations[] = [];

/** Changes heads and trailers, both ways. Without state of a stream: one object serves all. */
export class HeaderMutationFilter implements HttpFilter {
  readonly #settings: HeaderMutationSettings;

  constructor(settings: HeaderMutationSettings) {
    this.#settings = settings;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    const { mutations } = this.#settings;
    changeRequest(mutations, head, stream.info);
    for (const level of this.#levels(stream)) changeRequest(level, head, stream.info);
    return "continue";
  }

  onRequestTrailers(stream: HttpStream, trailers: HeaderList): Verdict {
    const { mutations } = this.#settings;
    change(mutations.requestTrailers, trailers, stream.info);
    for (const level of this.#levels(stream)) change(level.requestTrailers, trailers, stream.info);
    return "continue";
  }

  onResponseHead(stream: HttpStream, head: ResponseHead): Verdict {
    const { mutations } = this.#settings;
    const { info } = stream;
    // %RESP(x)% is of this very head, a local reply's too.
    info.responseHead = head;
    change(mutations.response, head.headers, info);
    for (const level of this.#levels(stream)) change(level.response, head.headers, info);
    return "continue";
  }

  onResponseTrailers(stream: HttpStream, trailers: HeaderList): Verdict {
    const { mutations } = this.#settings;
    const { info } = stream;
    info.responseTrailers = trailers;
    change(mutations.responseTrailers, trailers, info);
    for (const level of this.#levels(stream)) change(level.responseTrailers, trailers, info);
    return "continue";
  }

  /** Those of the route, in the order they run: a later one may undo an earlier one. */
  #levels(stream: HttpStream): readonly Mutations[] {
    if (stream.route?.hasFilterConfigs !== true) return none;
    const levels = stream.routeConfigs<Mutations>(this.#settings.filterName);
    if (levels.length < 2 || this.#settings.mostSpecificWins) return levels;
    return levels.toReversed();
  }
}

function changeRequest(mutations: Mutations, head: RequestHead, info: StreamInfo): void {
  change(mutations.request, head.headers, info);
  if (mutations.query !== undefined) head.path = mutations.query(head.path, info);
}

function change(mutations: readonly FieldMutation[], fields: HeaderList, info: StreamInfo): void {
  for (const mutate of mutations) mutate(fields, info);
}
