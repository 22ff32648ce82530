import { create } from "@bufbuild/protobuf";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import type { ResourceProblem } from "../subscriber.ts";
import { type DecodeOptions, duplicates, readWrapped } from "./any-resource.ts";
import type { Incoming, IncomingResource, Verdict } from "./incoming.ts";
import {
  errorDetail,
  type NodeOptions,
  type Protocol,
  type StreamTypes,
  wildcardName,
} from "./protocol.ts";
import type { TypeState } from "./type-state.ts";

interface Answer {
  readonly nonce: string;
  readonly verdict: Verdict;
}

/** What this stream knows of a type, from its first request on. */
interface OnStream {
  /** Of what was last asked for. */
  revision: number;
  /** Names that the server knows we want; "*" when it knows that we want everything. */
  readonly names: Set<string>;
  /** Nonces of answers that are being looked at. */
  readonly busy: string[];
  /** Verdicts that are to be sent: each answer gets one. */
  readonly answers: Answer[];
}

/** Incremental: requests and answers say what has changed. */
export class DeltaProtocol implements Protocol<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
  readonly #types: StreamTypes;
  readonly #nodeOptions: NodeOptions;
  readonly #decode: DecodeOptions;
  readonly #onStream: Map<string, OnStream> = new Map();
  #nodeSent = false;

  constructor(types: StreamTypes, nodeOptions: NodeOptions, decode: DecodeOptions) {
    this.#types = types;
    this.#nodeOptions = nodeOptions;
    this.#decode = decode;
  }

  next(): DeltaDiscoveryRequest | undefined {
    for (const state of this.#types()) {
      const request = this.#requestFor(state);
      if (request === undefined) continue;
      const { node, nodeOnFirstMessageOnly } = this.#nodeOptions;
      if (!this.#nodeSent || !nodeOnFirstMessageOnly) request.node = node;
      this.#nodeSent = true;
      return request;
    }
    return undefined;
  }

  get due(): number {
    let due = 0;
    for (const state of this.#types()) {
      const known = this.#onStream.get(state.type.typeUrl);
      if (known === undefined) due += state.wanted ? 1 : 0;
      else if (known.answers.length > 0) due += known.answers.length;
      else if (known.busy.length === 0 && known.revision !== state.revision) due++;
    }
    return due;
  }

  #requestFor(state: TypeState): DeltaDiscoveryRequest | undefined {
    const { typeUrl } = state.type;
    const known = this.#onStream.get(typeUrl);
    if (known === undefined && !state.wanted) {
      // What was wanted of an earlier stream: this one's server has nothing to be told.
      state.prune();
      return undefined;
    }
    if (known === undefined) return this.#first(state);
    const changed = known.revision !== state.revision;
    // Subscriptions that an answer brings about leave with its acknowledgement, or after it.
    if (known.answers.length === 0 && (!changed || known.busy.length > 0)) return undefined;
    const answer = known.answers.shift();
    const change = changed ? changeOf(state, known) : { added: [], removed: [] };
    const nothing = change.added.length + change.removed.length === 0;
    if (answer === undefined && nothing) return undefined;
    const error = answer && errorDetail(answer.verdict);
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl,
      resourceNamesSubscribe: change.added,
      resourceNamesUnsubscribe: change.removed,
      responseNonce: answer?.nonce ?? "",
      ...(error === undefined ? {} : { errorDetail: error }),
    });
  }

  /** The server, perhaps another one than before, hears all that is wanted and what of it is there already. */
  #first(state: TypeState): DeltaDiscoveryRequest {
    const { typeUrl } = state.type;
    state.prune();
    state.forgetRefused();
    const names = wantedNames(state);
    this.#onStream.set(typeUrl, { revision: state.revision, names, busy: [], answers: [] });
    // Without a name a first request means everything, and servers older than "*" know nothing else.
    const legacy = names.size === 1 && names.has(wildcardName);
    const initialResourceVersions: Record<string, string> = {};
    for (const [name, { resource }] of state.known)
      initialResourceVersions[name] = resource.version;
    const resourceNamesSubscribe = legacy ? [] : [...names];
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl,
      resourceNamesSubscribe,
      initialResourceVersions,
    });
  }

  receive(response: DeltaDiscoveryResponse): Incoming | undefined {
    const state = this.#types().find(({ type }) => type.typeUrl === response.typeUrl);
    const known = state && this.#onStream.get(state.type.typeUrl);
    if (state === undefined || known === undefined) return undefined;
    known.busy.push(response.nonce);
    return readDelta(state, response, this.#decode);
  }

  settle(typeUrl: string, verdict: Verdict): void {
    const known = this.#onStream.get(typeUrl);
    const nonce = known?.busy.shift();
    if (nonce !== undefined) known?.answers.push({ nonce, verdict });
  }
}

function wantedNames(state: TypeState): Set<string> {
  return new Set([...(state.wildcard ? [wildcardName] : []), ...state.names.keys()]);
}

/** Brings what the server knows up to what is wanted. */
function changeOf(state: TypeState, known: OnStream): { added: string[]; removed: string[] } {
  const wanted = wantedNames(state);
  const added = [...wanted].filter((name) => !known.names.has(name));
  const removed = [...known.names].filter((name) => !wanted.has(name));
  for (const name of added) known.names.add(name);
  for (const name of removed) known.names.delete(name);
  known.revision = state.revision;
  if (removed.length > 0) state.prune();
  return { added, removed };
}

function readDelta(
  { type }: TypeState,
  response: DeltaDiscoveryResponse,
  decode: DecodeOptions,
): Incoming {
  const { systemVersionInfo: version, removedResources, resources } = response;
  const read: IncomingResource[] = [];
  const invalid: ResourceProblem[] = [];
  for (const wrapper of resources) {
    // An alias that leads to nothing: it says only that there is no such resource.
    if (wrapper.resource === undefined && wrapper.aliases.length > 0) continue;
    const one = readWrapped(type, wrapper, { version: "", options: decode });
    if ("problem" in one) invalid.push(one.problem);
    else read.push(one.resource);
  }
  return {
    typeUrl: type.typeUrl,
    version,
    resources: read,
    removed: removedResources,
    complete: false,
    invalid: [...invalid, ...duplicates([...read.map(({ name }) => name), ...removedResources])],
  };
}
