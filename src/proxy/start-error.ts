import type { Problem } from "#lib/config-error.ts";

/** Why a proxy did not start. */
export class StartError extends Error {
  readonly problems: readonly Problem[];

  constructor(
    message: string,
    options: { readonly problems?: readonly Problem[]; readonly cause?: unknown } = {},
  ) {
    super(message, options);
    this.name = "StartError";
    this.problems = options.problems ?? [];
  }
}
