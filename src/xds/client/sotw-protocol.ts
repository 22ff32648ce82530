import { create } from "@bufbuild/protobuf";
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import type { ResourceProblem } from "../subscriber.ts";
import { type DecodeOptions, duplicates, readAny } from "./any-resource.ts";
import type { Incoming, IncomingResource, Verdict } from "./incoming.ts";
import {
  errorDetail,
  type NodeOptions,
  type Protocol,
  type StreamTypes,
  wildcardName,
} from "./protocol.ts";
import type { TypeState } from "./type-state.ts";

/** What this stream knows of a type. */
interface OnStream {
  /** Of the answer that came last. */
  nonce: string;
  /** Of what was last asked for; undefined: nothing yet. */
  revision: number | undefined;
  /** Names have been sent: an empty list is no wildcard any more. */
  named: boolean;
  /** An answer is being looked at: its verdict takes with it what has changed meanwhile. */
  busy: boolean;
  /** The verdict that is to be sent. */
  verdict: Verdict | undefined;
}

/** State of the world: each request says all that is wanted, each answer of listeners and clusters holds all there is. */
export class SotwProtocol implements Protocol<DiscoveryRequest, DiscoveryResponse> {
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

  next(): DiscoveryRequest | undefined {
    const state = this.#types().find((one) => this.#isDue(one));
    return state && this.#request(state, this.#streamOf(state));
  }

  get due(): number {
    return this.#types().filter((state) => this.#isDue(state)).length;
  }

  #isDue(state: TypeState): boolean {
    const known = this.#onStream.get(state.type.typeUrl);
    if (known?.revision === undefined) {
      // What was wanted of an earlier stream: this one's server has nothing to be told.
      if (!state.wanted) state.prune();
      return state.wanted;
    }
    if (known.busy) return false;
    // Without a name the request would ask for everything, or for nothing: neither is wanted.
    if (!state.wanted && state.type.wildcard && !known.named) return false;
    return known.verdict !== undefined || known.revision !== state.revision;
  }

  #streamOf(state: TypeState): OnStream {
    const { typeUrl } = state.type;
    let known = this.#onStream.get(typeUrl);
    if (known === undefined) {
      known = { nonce: "", revision: undefined, named: false, busy: false, verdict: undefined };
      this.#onStream.set(typeUrl, known);
    }
    return known;
  }

  #request(state: TypeState, known: OnStream): DiscoveryRequest {
    const { verdict } = known;
    known.verdict = undefined;
    known.revision = state.revision;
    const names = [...state.names.keys()];
    known.named ||= names.length > 0;
    state.prune();
    const resourceNames = state.wildcard && known.named ? [wildcardName, ...names] : names;
    const error = verdict && errorDetail(verdict);
    const request = create(DiscoveryRequestSchema, {
      typeUrl: state.type.typeUrl,
      versionInfo: state.version,
      responseNonce: known.nonce,
      resourceNames,
      ...(error === undefined ? {} : { errorDetail: error }),
    });
    const { node, nodeOnFirstMessageOnly } = this.#nodeOptions;
    if (!this.#nodeSent || !nodeOnFirstMessageOnly) request.node = node;
    this.#nodeSent = true;
    return request;
  }

  receive(response: DiscoveryResponse): Incoming | undefined {
    const types = this.#types();
    const state = types.find(({ type }) => type.typeUrl === response.typeUrl);
    const known = state && this.#onStream.get(state.type.typeUrl);
    if (state === undefined || known === undefined) return undefined;
    known.nonce = response.nonce;
    known.busy = true;
    return readResponse(state, response, this.#decode);
  }

  settle(typeUrl: string, verdict: Verdict): void {
    const known = this.#onStream.get(typeUrl);
    if (known === undefined) return;
    known.busy = false;
    known.verdict = verdict;
  }
}

/** What an answer says, whichever way it came. */
export function readResponse(
  { type }: TypeState,
  { resources, versionInfo }: DiscoveryResponse,
  decode: DecodeOptions,
): Incoming {
  const read: IncomingResource[] = [];
  const invalid: ResourceProblem[] = [];
  for (const any of resources) {
    const one = readAny(type, any, versionInfo, decode);
    if ("problem" in one) invalid.push(one.problem);
    else read.push(one.resource);
  }
  return {
    typeUrl: type.typeUrl,
    version: versionInfo,
    resources: read,
    removed: [],
    complete: type.complete,
    invalid: [...invalid, ...duplicates(read.map(({ name }) => name))],
  };
}
