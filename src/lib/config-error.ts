/** One thing wrong in a configuration: where (a path such as `static_resources.listeners[0].name`) and what. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/**
 * Thrown while configuration is compiled; never on the data path.
 * `path` is relative to the message that was being compiled; `within` puts the parent's path before it.
 */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], options?: ErrorOptions) {
    super(
      problems.map((p) => (p.path === "" ? p.message : `${p.path}: ${p.message}`)).join("\n"),
      options,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** Refuse a configuration: `throw refuse("lb_policy", "CLUSTER_PROVIDED needs a cluster type that provides one")`. */
export function refuse(path: string, message: string): ConfigError {
  return new ConfigError([{ path, message }]);
}

/** Run `compile`; a `ConfigError` from it is given the parent's `path`. Any other error is a bug and passes through. */
export function within<T>(path: string, compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(
      error.problems.map((p) => ({ path: join(path, p.path), message: p.message })),
      { cause: error },
    );
  }
}

/** Compile every item even when one is bad, so that a user sees all problems at once. */
export function compileEach<I, O>(
  path: string,
  items: readonly I[] | undefined,
  compile: (item: I, index: number) => O,
): O[] {
  const done: O[] = [];
  const problems: Problem[] = [];
  for (const [index, item] of (items ?? []).entries()) {
    try {
      done.push(within(`${path}[${index}]`, () => compile(item, index)));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return done;
}

function join(parent: string, child: string): string {
  if (parent === "") return child;
  return child === "" || child.startsWith("[") ? parent + child : `${parent}.${child}`;
}
