import { refuse } from "#lib/config-error.ts";

/** `%COMMAND(parameter):length%` as written. */
export interface Command {
  readonly name: string;
  readonly parameter: string | undefined;
  readonly length: number | undefined;
}

// A parameter may hold "%" and ")" (START_TIME(%Y), COALESCE({…})): it ends at the first ")" behind which the command can end.
const commandPattern = /%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%/sy;

/** Literal text and commands in order; neighbouring literals are one. */
export function parseFormat(text: string): (string | Command)[] {
  const pieces: (string | Command)[] = [];
  let literal = "";
  let at = 0;
  while (at < text.length) {
    if (text[at] !== "%") {
      const next = text.indexOf("%", at);
      const end = next < 0 ? text.length : next;
      literal += text.slice(at, end);
      at = end;
    } else if (text[at + 1] === "%") {
      literal += "%";
      at += 2;
    } else {
      if (literal !== "") pieces.push(toByteString(literal));
      literal = "";
      const command = commandAt(text, at);
      pieces.push(command.command);
      at = command.end;
    }
  }
  if (literal !== "") pieces.push(toByteString(literal));
  return pieces;
}

function commandAt(text: string, at: number): { command: Command; end: number } {
  commandPattern.lastIndex = at;
  const found = commandPattern.exec(text);
  if (found === null) {
    throw refuse("", `incorrect format: ${text}. Couldn't find valid command at position ${at}`);
  }
  const [, name = "", parameter, length] = found;
  if (parameter !== undefined && /[\r\n\0]/.test(parameter)) {
    throw refuse("", `the parameter of ${name} contains a newline or null`);
  }
  return {
    command: { name, parameter, length: length === undefined ? undefined : Number(length) },
    end: commandPattern.lastIndex,
  };
}

/** Formats yield bytes, one a character, as UTF-8's text. */
export function fromByteString(bytes: string): string {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}

const beyondAscii = /[^\0-\x7f]/;

/**
 * The bytes of `text` in UTF-8, one character each. Header values are such strings, so text from configuration becomes one before
 * it is joined with them.
 */
export function toByteString(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}
