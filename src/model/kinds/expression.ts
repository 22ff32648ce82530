import { parse } from "@marcbachmann/cel-js";

/** A CEL expression that the proxy runs on calls: undefined, or what is wrong with its grammar. */
export function expressionProblem(expression: string): string | undefined {
  try {
    parse(expression);
    return undefined;
  } catch (error) {
    const [why] = (error instanceof Error ? error.message : String(error)).split("\n");
    return `is not an expression of CEL: ${why}`;
  }
}
