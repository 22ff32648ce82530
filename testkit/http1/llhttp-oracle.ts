import { createRequire } from "node:module";

/** What the runtime's own HTTP parser (llhttp) makes of bytes: the judge of what we forward. For tests. */

export interface FramedRequest {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

interface Parser {
  initialize(type: number, resource: object): void;
  execute(bytes: Uint8Array): number | Error;
  finish(): number | Error | undefined;
  [callback: number]: unknown;
}

interface ParserBinding {
  readonly HTTPParser: (new () => Parser) & {
    readonly REQUEST: number;
    readonly kOnHeaders: number;
    readonly kOnHeadersComplete: number;
    readonly kOnBody: number;
    readonly kOnMessageComplete: number;
  };
  /** By llhttp's numbers. */
  readonly methods: readonly string[];
}

const load = createRequire(import.meta.url);
const { HTTPParser, methods } = load("node:_http_common") as ParserBinding;

/** Every request in `bytes`; throws when they are no whole number of requests. */
export function frames(bytes: Uint8Array): readonly FramedRequest[] {
  const found: FramedRequest[] = [];
  let current = { method: "", target: "", body: "" };
  const parser = new HTTPParser();
  let url = "";
  parser.initialize(HTTPParser.REQUEST, {});
  parser[HTTPParser.kOnHeaders] = (_fields: readonly string[], part: string) => {
    url += part;
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    _fields: readonly string[] | undefined,
    method: number,
    target: string | undefined,
  ) => {
    current = { method: methods[method] ?? "", target: target ?? url, body: "" };
    url = "";
    return 0;
  };
  parser[HTTPParser.kOnBody] = (chunk: Uint8Array) => {
    current.body += Buffer.from(chunk).toString("latin1");
  };
  parser[HTTPParser.kOnMessageComplete] = () => found.push(current);
  const used = parser.execute(bytes);
  if (used instanceof Error) throw used;
  const finished = parser.finish();
  if (finished instanceof Error) throw finished;
  return found;
}
