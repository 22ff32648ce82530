/** One hostile or odd message and what each proxy does with it. */
export interface Input {
  readonly name: string;
  readonly bytes: string;
  /** What Envoy answers, in the words of `Outcome`; Heddle answers the same unless `heddle` says otherwise. */
  readonly answer: string;
  /** Heddle is stricter: its answer, and the heading in docs/reference/differences-from-envoy.md. */
  readonly heddle?: { readonly answer: string; readonly difference: string };
  /** The client half-closes behind the bytes, for messages that stay incomplete. */
  readonly half?: boolean;
  /** The listener takes HTTP/1.0. */
  readonly http10?: boolean;
}

export const host = "host: host.test";
/** What a smuggler wants the upstream to see as a second request. */
export const smuggled: string = `GET /smuggled HTTP/1.1\r\n${host}\r\n\r\n`;
export const chunked = "5\r\nhello\r\n0\r\n\r\n";

export function request(
  fields: readonly string[],
  body: string = "",
  requestLine: string = "POST /first HTTP/1.1",
): string {
  return [requestLine, ...fields, "", body].join("\r\n");
}

export function post(fields: readonly string[], body: string): string {
  return request([host, ...fields], body);
}

export function get(...fields: readonly string[]): string {
  return request([host, ...fields], "", "GET /first HTTP/1.1");
}

/** A request with this request line. */
export function line(text: string): string {
  return request([host], "", text);
}
