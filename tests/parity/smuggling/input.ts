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
export const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n\r\n`;

export function request(
  fields: readonly string[],
  body = "",
  line = "POST /first HTTP/1.1",
): string {
  return [line, ...fields, "", body].join("\r\n");
}

export const post = (fields: readonly string[], body: string) => request([host, ...fields], body);
export const get = (...fields: readonly string[]) =>
  request([host, ...fields], "", "GET /first HTTP/1.1");
export const line = (text: string) => request([host], "", text);
export const chunked = "5\r\nhello\r\n0\r\n\r\n";
