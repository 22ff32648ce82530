import assert from "node:assert/strict";
import { answer, answers, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { http } from "./harness/config.ts";
import { chunkFraming } from "./smuggling/chunk-framing.ts";
import { contentLength } from "./smuggling/content-length.ts";
import { fieldSyntax } from "./smuggling/field-syntax.ts";
import type { Input } from "./smuggling/input.ts";
import { outcome, responseOutcome } from "./smuggling/outcome.ts";
import { requestLine } from "./smuggling/request-line.ts";
import { type ResponseInput, responses } from "./smuggling/responses.ts";
import { transferEncoding } from "./smuggling/transfer-encoding.ts";

function smugglingCase(input: Input): ParityCase {
  const check = (expected: string): ParityCase["run"] => {
    return async (t) => assert.equal(await outcome(t, input), expected);
  };
  const options = {
    codec_type: "HTTP1",
    // After a refusal Envoy waits this long for the client to close first.
    delayed_close_timeout: "0.05s",
    http_protocol_options: { accept_http_10: input.http10 === true },
  };
  return {
    name: input.name,
    config: http({ manager: options }),
    upstream: answer(response(200, "ok")),
    run: check(input.answer),
    ...(input.heddle === undefined
      ? {}
      : { heddle: { difference: input.heddle.difference, run: check(input.heddle.answer) } }),
  };
}

for (const [area, inputs] of Object.entries({
  contentLength,
  transferEncoding,
  chunkFraming,
  fieldSyntax,
  requestLine,
})) {
  parityArea(`smuggling-${area}`, inputs.map(smugglingCase));
}

function responseCase(input: ResponseInput): ParityCase {
  const check = (expected: string): ParityCase["run"] => {
    return async (t) => assert.equal(await responseOutcome(t), expected);
  };
  return {
    name: input.name,
    config: http({ manager: { delayed_close_timeout: "0.05s" } }),
    upstream: answers(input.bytes, response(200, "last")),
    run: check(input.answer),
    ...(input.heddle === undefined
      ? {}
      : { heddle: { difference: input.heddle.difference, run: check(input.heddle.answer) } }),
  };
}

parityArea("smuggling-responses", responses.map(responseCase));
