/** The short-lived process of #proxy/configuration.ts: one request on stdin, one answer on stdout. */
import { readFileSync, writeFileSync } from "node:fs";
import { ConfigFileError, type LocatedProblem } from "#config/config-file-error.ts";
import { parsePath } from "#config/place.ts";
import { type Input, readInput, readMessage } from "#config/read.ts";
import { registry } from "#gen/registry.js";
import { supportedFields } from "./supported.ts";

export type LoadRequest =
  | { readonly kind: "read"; readonly typeName: string; readonly inputs: readonly Input[] }
  | {
      readonly kind: "locate";
      readonly typeName: string;
      readonly inputs: readonly Input[];
      readonly problems: readonly { readonly path: string; readonly message: string }[];
    };

export type LoadAnswer =
  | { readonly json: string }
  | { readonly problems: readonly LocatedProblem[] }
  | { readonly bug: string };

// Written by #proxy/configuration.ts, and by nothing else.
const request = JSON.parse(readFileSync(0, "utf8")) as LoadRequest;
reply(JSON.stringify(answer(request)));

function reply(text: string): void {
  try {
    writeFileSync(1, text);
  } catch (error) {
    // The proxy was told to end while it started: nobody is left to answer.
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}

function answer(asked: LoadRequest): LoadAnswer {
  try {
    if (asked.kind === "locate") return { problems: locate(asked) };
    const { typeName, inputs } = asked;
    return { json: JSON.stringify(readMessage({ typeName, inputs, supported: supportedFields })) };
  } catch (error) {
    if (error instanceof ConfigFileError) return { problems: error.problems };
    return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** A problem that was found in the merged message is looked for in the last text that has its path. */
function locate(asked: LoadRequest & { readonly kind: "locate" }): LocatedProblem[] {
  const message = registry.getMessage(asked.typeName);
  if (message === undefined) throw new Error(`no message type ${asked.typeName}`);
  const sources = asked.inputs.map((input) => readInput(input, message)).reverse();
  return asked.problems.map((problem) => {
    const keys = parsePath(problem.path);
    let best = { file: sources[0]?.name ?? "", line: 1, column: 1 };
    for (const source of sources) {
      const position = source.positionOf(keys, "value");
      if (position.line > best.line) best = { file: source.name, ...position };
    }
    return { ...problem, ...best };
  });
}
