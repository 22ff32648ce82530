let cachedSecond = -1;
let cachedText = "";

/** An IMF-fixdate (RFC 9110 §5.6.7), made once a second. */
export function httpDate(wallMs: number): string {
  const second = Math.floor(wallMs / 1000);
  if (second === cachedSecond) return cachedText;
  cachedSecond = second;
  cachedText = new Date(second * 1000).toUTCString();
  return cachedText;
}
