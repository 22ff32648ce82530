const beyondAscii = /[^\0-\x7f]/;

/** Configuration's text as message heads have it: one character for each byte of its UTF-8. */
export function byteText(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

/** The other way, for what people read. */
export function fromByteText(bytes: string): string {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}

/** Only ASCII has case here: a byte of UTF-8 is no letter. */
export function lowerAscii(text: string): string {
  return beyondAscii.test(text)
    ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    : text.toLowerCase();
}
