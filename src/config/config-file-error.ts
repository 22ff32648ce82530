/** A problem with the file, the line and the column of the value that is wrong. */
export interface LocatedProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

/** A configuration that is refused, with everything that is wrong in it. */
export class ConfigFileError extends Error {
  readonly problems: readonly LocatedProblem[];

  constructor(problems: readonly LocatedProblem[]) {
    super(problems.map(printProblem).join("\n"));
    this.name = "ConfigFileError";
    this.problems = problems;
  }
}

export function printProblem({ file, line, column, path, message }: LocatedProblem): string {
  return `${file}:${line}:${column}: ${path === "" ? "" : `${path}: `}${message}`;
}
